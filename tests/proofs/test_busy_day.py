"""A busy day is fetched in parts side by side, while the lab adds rows to it and changes others."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.defs.sources.perfecto_reporting.client import client
from pipelines.defs.sources.perfecto_reporting.contract import PLATFORMS, TEST_EXECUTIONS
from pipelines.lib import landing
from pipelines.lib.contract import Table
from pipelines.lib.landing import Landed
from simlab.api import perfecto_reporting
from simlab.api.perfecto_records import shown_from
from simlab.server import Lab, LabConfig, start
from simlab.world import model
from tests.sources.lab_and_lake import clock_of, connection_to

DAY = date(2026, 6, 30)
SEED = 3
WHILE_IT_GOES_ON = "2026-06-30T20:00:00Z"
LONG_AFTER = "2026-07-20T00:00:00Zx0"


def landed(lab: Lab, lake: Path) -> dict[str, Landed]:
    """The day, as a client of the lab's own time asks for it."""
    midnight = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)

    async def land() -> dict[str, Landed]:
        async with client(connection_to(lab, "acme"), clock_of(lab)) as source:
            answer = source.test_executions(midnight, midnight + timedelta(days=1))
            return await landing.merge(lake, TEST_EXECUTIONS, "acme", DAY, answer)

    return asyncio.run(land())


def config(density: float, clock: str) -> LabConfig:
    return LabConfig(seed=SEED, days=1, end=DAY, density=density, clock=clock)


def files(lake: Path, table: Table) -> str:
    return str(lake / table.source / table.name / "connection=acme" / "*" / "*.parquet")


def rows_apart(left: Path, right: Path, table: Table) -> int:
    """How many rows of one lake the other lacks, but for the time of fetching; compared where they lie."""
    rows = "select hash(r) from (select * exclude (_fetched_at) from read_parquet({})) r"
    left_rows, right_rows = rows.format("$left"), rows.format("$right")
    (count,) = duckdb.execute(
        f"""select count(*) from (({left_rows} except all {right_rows})
            union all ({right_rows} except all {left_rows}))""",
        {"left": files(left, table), "right": files(right, table)},
    ).fetchone()
    return count


def hold(lake: Path, runs: list[model.TestRun], since: int, until: int) -> None:
    """Everything that was shown before it was asked is there once, and nothing that was not shown by the end."""
    found = duckdb.execute(
        "select id, _missing_since from read_parquet($1)", [files(lake, TEST_EXECUTIONS)]
    ).fetchall()
    ids = [test_id for test_id, _ in found]
    assert len(ids) == len(set(ids))
    assert {run.id for run in runs if shown_from(run) <= since} <= set(ids)
    assert set(ids) <= {run.id for run in runs if shown_from(run) <= until}
    assert not any(missing_since for _, missing_since in found)


def fetch_while_it_moves(density: float, speed: int, tmp_path: Path, figures: list[str]) -> None:
    lake, fresh = tmp_path / "lake", tmp_path / "fresh"
    added = changed = spans = 0
    with start(config(density, f"{WHILE_IT_GOES_ON}x{speed}")) as lab:
        runs = list(lab.world.perfecto[0].test_runs(DAY))
        for _ in range(3):
            since = lab.clock.now()
            outcome = landed(lab, lake)["test_executions"]
            until = lab.clock.now()
            assert outcome.complete, outcome.note
            spans = max(spans, outcome.facts["spans"])
            added += sum(since < shown_from(run) <= until for run in runs)
            changed += sum(since < edit.at <= until for run in runs for edit in run.edits)
            hold(lake, runs, since, until)
    assert spans > 1, "a day that is fetched in one piece proves nothing"
    assert added, "rows must appear while the day is fetched"
    assert changed, "rows must change while the day is fetched"

    with start(config(density, LONG_AFTER)) as lab:
        again = landed(lab, lake)
        once = landed(lab, fresh)
    assert [rows_apart(lake, fresh, table) for table in (TEST_EXECUTIONS, PLATFORMS)] == [0, 0]
    rows = {table: landed_rows.rows for table, landed_rows in again.items()}
    assert rows == {table: landed_rows.rows for table, landed_rows in once.items()}
    assert rows[TEST_EXECUTIONS.name] == len(runs)
    assert rows[PLATFORMS.name] == sum(len(run.devices) for run in runs)
    facts = once["test_executions"].facts
    figures.append(
        f"{len(runs):,} executions of one day in {facts['spans']} spans and {facts['pages']} pages; while it was "
        f"fetched {added:,} appeared and {changed:,} changed; none missed, none doubled; afterwards the lake is "
        "that of one undisturbed fetch"
    )


def test_a_busy_day_is_fetched_whole_while_it_moves(
    tmp_path: Path, figures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perfecto_reporting, "PAGE_SIZE", 40)
    fetch_while_it_moves(6, 20_000, tmp_path, figures)


@pytest.mark.proof
def test_a_day_of_a_hundred_thousand_is_fetched_whole_while_it_moves(
    tmp_path: Path, figures: list[str]
) -> None:
    fetch_while_it_moves(220, 600, tmp_path, figures)
