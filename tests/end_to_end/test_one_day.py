"""One day through the command, against the lab over HTTP: what succeeds is published, what fails harms nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from pipelines.orchestration import instance
from simlab.server import Lab, LabConfig, start

DAY = date(2026, 3, 4)
BROKEN_CLOUD = """
[perfecto.gone]
app_url = "http://127.0.0.1:9"
token = "irrelevant"

[perfecto.refused]
app_url = "{app_url}"
token = "not-the-right-one"
"""


class Home:
    """A home, and the command as a person types it."""

    def __init__(self, path: Path):
        self.path, self.connections = path, path / "connections.toml"

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "FLAKEHOUSE_HOME": str(self.path),
            "FLAKEHOUSE_CONNECTIONS": str(self.connections),
        }
        command = [sys.executable, "-m", "pipelines.cli", *arguments]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def flakehouse(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        with self.started(*arguments) as process:
            out, err = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def lake(self, query: str) -> list[tuple]:
        table = f"read_parquet('{self.path}/raw/perfecto_reporting/test_executions/**/*.parquet', hive_partitioning = true)"
        return duckdb.sql(query.replace("TEST_EXECUTIONS", table)).fetchall()

    def published(self, query: str) -> list[tuple]:
        with duckdb.connect(self.path / "warehouse" / "flakehouse.duckdb", read_only=True) as connection:
            return connection.sql(query).fetchall()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with start(LabConfig(days=2, end=DAY, clock="2026-03-06T12:00:00Z")) as lab:
        yield lab


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, lab: Lab) -> Home:
    """A day read from the lab beside two clouds that cannot be read, and a warehouse built from it."""
    home = Home(tmp_path_factory.mktemp("home"))
    broken = BROKEN_CLOUD.format(app_url=lab.urls["perfecto"]["acme"]["app_url"])
    home.connections.write_text(lab.connections_toml + broken)
    home.ingested = home.flakehouse("ingest", "--start", str(DAY), "--end", str(DAY))
    home.built = home.flakehouse("build")
    return home


def test_connections_that_fail_are_named_and_stop_no_other(home: Home) -> None:
    done = home.ingested
    assert done.returncode == 1
    assert [line.partition(": perfecto.")[0] for line in sorted(done.stderr.splitlines())] == [
        "failed: perfecto_reporting gone 2026-03-04",
        "failed: perfecto_reporting refused 2026-03-04",
    ]
    assert "not-the-right-one" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert home.lake("select distinct connection from TEST_EXECUTIONS where connection <> '_'") == [("acme",)]


def test_a_day_that_the_source_was_still_processing_is_named(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with start(LabConfig(days=2, end=DAY, clock="2026-03-04T12:00:00Zx0")) as lab:
        home.connections.write_text(lab.connections_toml)
        tests = ("--select", "perfecto_reporting.test_executions")
        done = home.flakehouse("ingest", "--start", "2026-03-03", "--end", str(DAY), *tests)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last == "perfecto_reporting acme was still processing 2026-03-04: ingest again later"


def test_a_build_publishes_what_the_lake_holds(home: Home) -> None:
    assert home.built.returncode == 0, home.built.stderr
    ((rows,),) = home.lake("select count(*) from TEST_EXECUTIONS")
    assert rows > 100
    assert home.published("select count(*) from core.fct_test_runs where source_name = 'perfecto'") == [
        (rows,)
    ]
    assert home.published("select count(*) > 0 from marts.test_flakiness") == [(True,)]
    files = f"{home.path}/marts/marts/test_flakiness.parquet"
    assert duckdb.sql(f"from '{files}'").fetchall() == home.published("from marts.test_flakiness")


def test_runs_and_partitions_show_in_dagster(home: Home) -> None:
    storage = instance.of(home.path)
    key = dg.AssetKey(["perfecto_reporting", "test_executions"])
    assert storage.get_materialized_partitions(key) == {"acme|2026-03-04"}
    by_job = {(run.job_name, run.status) for run in storage.get_runs()}
    assert ("build_warehouse", dg.DagsterRunStatus.SUCCESS) in by_job
    assert not [run for run in storage.get_runs() if not run.is_finished]


def test_every_data_test_runs_exactly_once_in_a_build(home: Home) -> None:
    target = home.path / "warehouse" / ".build" / "dbt"
    manifest = json.loads((target / "manifest.json").read_text())
    expected = [
        key for key, node in manifest["nodes"].items() if node["resource_type"] in ("test", "model", "seed")
    ]
    done = [
        result["unique_id"]
        for results in target.glob("models_*/run_results.json")
        for result in json.loads(results.read_text())["results"]
        if not result["unique_id"].startswith("operation.")
    ]
    assert sorted(done) == sorted(expected)


def test_a_build_that_fails_leaves_the_last_good_one_and_names_what_failed(home: Home) -> None:
    before = home.published("select count(*), max(started_at) from core.fct_test_runs")
    file = home.path / "warehouse" / "flakehouse.duckdb"
    stamp = file.stat().st_mtime_ns
    garbage = (
        home.path / "raw/perfecto_reporting/test_executions/connection=acme/dt=2026-03-04/garbage.parquet"
    )
    garbage.write_bytes(b"not Parquet at all")
    done = home.flakehouse("build")
    garbage.unlink()
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "not published, the last good build is still there: a file of perfecto_reporting.test_executions "
    )
    assert "garbage.parquet" in line
    assert file.stat().st_mtime_ns == stamp
    assert home.published("select count(*), max(started_at) from core.fct_test_runs") == before


def test_interrupted_a_command_says_so_keeps_what_it_has_and_goes_on_with_what_is_missing(home: Home) -> None:
    choice = ("--connection", "acme", "--select", "perfecto_reporting.test_executions")
    days = ("--start", "2026-02-20", "--end", str(DAY))
    with home.started("ingest", *days, *choice) as process:
        while "2/" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.startswith("interrupted; what was landed is kept, and with --missing the same command goes on")
    storage = instance.of(home.path)
    assert not [run for run in storage.get_runs() if not run.is_finished]
    landed = storage.get_materialized_partitions(dg.AssetKey(["perfecto_reporting", "test_executions"]))
    assert {"acme|2026-03-04", "acme|2026-03-03"} <= landed
    assert "acme|2026-02-20" not in landed
    went_on = home.flakehouse("ingest", *days, "--missing", *choice)
    assert went_on.returncode == 0, went_on.stderr
    assert f"Ingesting {13 - len(landed)} days" in went_on.stdout
    assert "2026-03-04" not in went_on.stdout
    assert (
        len(storage.get_materialized_partitions(dg.AssetKey(["perfecto_reporting", "test_executions"]))) == 13
    )
    done = home.flakehouse("ingest", *days, "--missing", *choice)
    assert done.stdout == "Nothing is missing: each of these days was read\n"
