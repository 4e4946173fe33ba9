"""Our own runs as a table: a row per table that a landing touched, a failed one's reason, no secret."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.defs.sources.perfecto_live import client as perfecto_live
from pipelines.defs.sources.perfecto_live.contract import EXECUTIONS
from pipelines.defs.sources.perfecto_reporting import client as perfecto_reporting
from pipelines.defs.sources.perfecto_reporting.contract import TEST_EXECUTIONS
from pipelines.lib import landing
from pipelines.lib.ingest_partitions import INGEST_PARTITIONS, noted
from pipelines.lib.source_errors import NotAuthorised
from pipelines.settings import PerfectoConnection
from simlab.server import Lab
from tests.simlab.serving import serving
from tests.simlab.tiny_world import HOUR, NOON, TinyPerfecto, test_run
from tests.sources.lab_and_lake import Row, connection_to, everything_written, held

DAY = date(2026, 3, 2)
START = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with serving(TinyPerfecto([test_run(1, NOON), test_run(2, NOON - HOUR)])) as lab:
        yield lab


def land_the_day(connection: PerfectoConnection, lake: Path, run_id: str = "run") -> None:
    async def land() -> None:
        async with perfecto_reporting.client(connection) as source:
            answer = source.test_executions(START, START + timedelta(days=1))
            work = landing.merge(lake, TEST_EXECUTIONS, connection.name, DAY, answer)
            await noted(lake, TEST_EXECUTIONS, connection.name, answer, work, day=DAY, run_id=run_id)

    asyncio.run(land())


def observe(connection: PerfectoConnection, lake: Path) -> None:
    async def land() -> None:
        async with perfecto_live.client(connection) as source:
            answer = source.executions()
            work = landing.append(lake, EXECUTIONS, connection.name, answer, 300)
            await noted(lake, EXECUTIONS, connection.name, answer, work, interval_seconds=300)

    asyncio.run(land())


def landings(lake: Path) -> list[Row]:
    return held(lake, INGEST_PARTITIONS, "_fetched_at, source_name, table_name")


def test_a_landing_leaves_a_row_for_its_table_and_for_each_child(lab: Lab, tmp_path: Path) -> None:
    land_the_day(connection_to(lab, "acme"), tmp_path)

    platforms, tests = landings(tmp_path)
    assert (tests["source_name"], tests["table_name"], tests["table_kind"]) == (
        "perfecto_reporting", "test_executions", "window",
    )  # fmt: skip
    assert (tests["connection"], tests["day"], tests["run_id"]) == ("acme", "2026-03-02", "run")
    assert (tests["rows"], tests["received"], tests["added"], tests["rejected"]) == (2, 2, 2, 0)
    assert (tests["requests"], tests["retries"], tests["pages"]) == (1, 0, 1)
    assert (tests["is_complete"], tests["is_rewritten"], tests["error"]) == (True, True, None)
    assert tests["seconds"] > 0
    assert (platforms["table_name"], platforms["rows"], platforms["requests"]) == ("platforms", 2, None)


def test_every_repetition_leaves_rows_of_its_own(lab: Lab, tmp_path: Path) -> None:
    for run_id in ("first", "second"):
        land_the_day(connection_to(lab, "acme"), tmp_path, run_id)

    tests = [row for row in landings(tmp_path) if row["table_name"] == "test_executions"]
    assert [(row["run_id"], row["added"], row["is_rewritten"]) for row in tests] == [
        ("first", 2, True),
        ("second", 0, False),
    ]


def test_a_day_that_the_source_was_still_processing_is_due_again(tmp_path: Path) -> None:
    cloud = TinyPerfecto([test_run(1, NOON), test_run(2, NOON - HOUR)])
    for clock, is_due_again in (("12:01:30", True), ("13:00:00", False)):
        with serving(cloud, clock=f"2026-03-02T{clock}Zx0") as lab:
            land_the_day(connection_to(lab, "acme"), tmp_path)
        assert [row["is_due_again"] for row in landings(tmp_path)][-2:] == [is_due_again] * 2


def test_an_observation_in_which_nothing_ran_is_still_known_to_have_been_made(
    lab: Lab, tmp_path: Path
) -> None:
    observe(connection_to(lab, "acme"), tmp_path)

    assert held(tmp_path, EXECUTIONS) == []
    (row,) = landings(tmp_path)
    assert (row["table_name"], row["table_kind"], row["rows"], row["day"]) == (
        "executions",
        "snapshot",
        0,
        None,
    )
    assert row["_interval_seconds"] == 300


def test_a_landing_that_the_source_failed_says_why_without_the_token(lab: Lab, tmp_path: Path) -> None:
    connection = connection_to(lab, "acme", token="eyJ-canary")
    with pytest.raises(NotAuthorised) as refusal:
        observe(connection, tmp_path)

    (row,) = landings(tmp_path)
    assert row["error"] == str(refusal.value)
    assert (row["rows"], row["requests"], row["is_complete"]) == (None, 1, False)
    assert "canary" not in everything_written(tmp_path)


def test_of_a_failed_landing_every_table_of_it_says_why_and_its_requests_are_counted_once(
    lab: Lab, tmp_path: Path
) -> None:
    with pytest.raises(NotAuthorised) as refusal:
        land_the_day(connection_to(lab, "acme", token="eyJ-canary"), tmp_path)

    rows = landings(tmp_path)
    assert [(row["table_name"], row["requests"], row["retries"]) for row in rows] == [
        ("platforms", None, None),
        ("test_executions", 1, 0),
    ]
    assert {(row["error"], row["is_complete"], row["day"], row["rows"]) for row in rows} == {
        (str(refusal.value), False, "2026-03-02", None)
    }
    assert len({row["seconds"] for row in rows}) == 1


def test_the_rows_lie_in_the_day_in_which_the_landing_was_made(lab: Lab, tmp_path: Path) -> None:
    land_the_day(connection_to(lab, "acme"), tmp_path)

    assert {row["dt"] for row in landings(tmp_path)} == {datetime.now(UTC).date().isoformat()}
