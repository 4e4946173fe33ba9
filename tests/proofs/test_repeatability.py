"""Any day, any number of times, in any order, gives the same rows; and what a source forgets is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from simlab.server import LabConfig, start
from tests.proofs.conftest import Home, Served, serve

END = date(2026, 6, 30)
DAYS = [END - timedelta(days=back) for back in (2, 1, 0)]
WINDOW_TABLES = [
    ("perfecto_reporting", "test_executions"),
    ("perfecto_reporting", "platforms"),
    ("perfecto_reporting", "commands"),
    ("enterprise_tester", "script_runs"),
    ("enterprise_tester", "step_results"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("repeat")
    config = LabConfig(seed=3, days=3, end=END, clock="2026-07-02T00:00:00Z")
    for lab in serve(folder, config, DAYS[0], DAYS[-1]):
        lab.home.ingest(DAYS[0], DAYS[-1])
        yield lab


def rows(home: Home) -> dict[tuple[str, str], list[tuple]]:
    return {table: home.lake(*table, columns="* exclude (_fetched_at)") for table in WINDOW_TABLES}


def test_ingesting_the_same_days_again_gives_the_same_rows(served: Served) -> None:
    before = rows(served.home)
    assert all(before.values()), "an empty table proves nothing"
    served.home.ingest(DAYS[0], DAYS[-1])
    assert rows(served.home) == before


def test_days_in_another_order_give_the_same_rows(served: Served, tmp_path: Path) -> None:
    other = Home(tmp_path / "home", served.home.connections)
    for day in (DAYS[2], DAYS[0], DAYS[1], DAYS[2]):
        other.ingest(day, day)
    assert rows(other) == rows(served.home)


def test_a_day_past_the_sources_retention_keeps_its_rows(served: Served, tmp_path: Path) -> None:
    kept = Home(tmp_path / "home", tmp_path / "connections.toml")
    with start(LabConfig(seed=3, days=3, end=END, clock="2026-07-02T00:00:00Z")) as lab:
        kept.connections.write_text(lab.connections_toml)
        kept.ingest(DAYS[0], DAYS[0], "--select", "perfecto_reporting")
    before = kept.lake("perfecto_reporting", "test_executions", "* exclude (_fetched_at)")
    with start(LabConfig(seed=3, days=3, end=END, clock="2027-06-30T00:00:00Z")) as lab:
        kept.connections.write_text(lab.connections_toml)
        said = kept.ingest(DAYS[0], DAYS[0], "--select", "perfecto_reporting")
    assert kept.lake("perfecto_reporting", "test_executions", "* exclude (_fetched_at)") == before
    assert "retention" in said, "the user must be told that the source no longer has this day"


def test_a_later_day_leaves_the_files_of_other_days_alone(served: Served) -> None:
    untouched = served.home.path / "raw" / "perfecto_reporting" / "test_executions"
    files = {p: p.stat().st_mtime_ns for p in untouched.rglob(f"dt={DAYS[0]}/*.parquet")}
    assert files
    served.home.ingest(DAYS[2], DAYS[2])
    assert {p: p.stat().st_mtime_ns for p in files} == files


def test_published_marts_are_readable_as_plain_parquet(served: Served) -> None:
    served.home.flakehouse("build")
    folder = served.home.path / "marts" / "marts"
    with served.home.warehouse() as warehouse:
        for table in ("test_flakiness", "device_utilization_daily", "failure_reasons"):
            inside = warehouse.sql(f"select count(*) from marts.{table}").fetchone()
            outside = duckdb.sql(f"select count(*) from '{folder / (table + '.parquet')}'").fetchone()
            assert inside == outside != (0,)
