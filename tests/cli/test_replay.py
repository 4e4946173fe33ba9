"""`flakehouse replay` needs no connection, says what it did and what it could not do, and tells Dagster."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from pipelines.defs.sources.perfecto_reporting.contract import TEST_EXECUTIONS, TestExecution
from pipelines.lib.replaying import partitions_of
from pipelines.orchestration import instance
from tests.lib.landing_of import DAY, answer_of, column, land, test
from tests.lib.test_replaying import with_type, without_field


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose lake was landed under an earlier contract, and which no connections file belongs to."""
    earlier = replace(TEST_EXECUTIONS, record=without_field(TestExecution, "owner"))
    strict = replace(TEST_EXECUTIONS, record=with_type(TestExecution, message=int | None))
    lake = tmp_path / "raw"
    land(lake, answer_of([test("a", owner="Ann")]), earlier)
    land(lake, answer_of([test("b", message="text")], complete=False), strict)
    return tmp_path


def replay(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "FLAKEHOUSE_HOME": str(home),
        "FLAKEHOUSE_CONNECTIONS": str(home / "none.toml"),
    }
    command = [sys.executable, "-m", "pipelines.cli", "replay", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_replay_says_what_it_did_and_dagster_knows(home: Path) -> None:
    done = replay(home, "--select", "perfecto_reporting.test_executions", "--connection", "acme")
    assert done.returncode == 0, done.stderr
    assert f"1/1 perfecto_reporting.test_executions acme {DAY}: 2 rows anew, 1 accepted" in done.stdout
    assert "1 of 1 partitions rewritten; 1 rejects accepted, 0 rows rejected" in done.stdout
    assert column(home / "raw", "test_executions", "owner") == {"a": "Ann", "b": None}
    asked = dg.AssetRecordsFilter(dg.AssetKey(["perfecto_reporting", "test_executions"]))
    (record,) = instance.of(home).fetch_materializations(asked, limit=5).records
    assert record.partition_key == f"acme|{DAY}"

    again = replay(home)
    assert "0 of 1 partitions rewritten" in again.stdout


def test_days_without_raw_are_named(home: Path) -> None:
    (partition,) = partitions_of(home / "raw", TEST_EXECUTIONS)
    pq.write_table(pq.read_table(partition.data).drop_columns("_raw"), partition.data)
    done = replay(home, "--select", "perfecto_reporting.test_executions")
    assert done.returncode == 0, done.stderr
    assert f"without _raw, left as it was: perfecto_reporting.test_executions acme {DAY}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--select", "perfecto_reporting.comands"), "did you mean perfecto_reporting.commands?"),
        (("--connection", "acne"), "the lake holds nothing of it; did you mean acme?"),
        (("--select", "hcl_test_server"), "nothing to replay"),
    ],
)
def test_a_choice_of_nothing_is_named(home: Path, arguments: tuple[str, ...], expected: str) -> None:
    done = replay(home, *arguments)
    assert done.returncode == 1
    assert expected in done.stderr
