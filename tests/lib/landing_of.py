"""Answers made of given records, landed in a lake of the test's own; no source is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from pipelines.defs.sources.perfecto_reporting.contract import COMMANDS, TEST_EXECUTIONS, CommandPlace
from pipelines.lib import landing
from pipelines.lib.answer import Answer, Page
from pipelines.lib.contract import Table
from pipelines.lib.landing import Landed

DAY = date(2026, 3, 2)
NOON = 1_772_452_800_000  # of DAY, in milliseconds
FIRST_ASKED = datetime(2026, 3, 3, 8, tzinfo=UTC)


def test(test_id: str, /, **changes: Any) -> dict[str, Any]:
    """A test execution as the vendor writes it; a value of None leaves the field out."""
    record = {
        "id": test_id,
        "name": "checkout pays",
        "startTime": NOON,
        "endTime": NOON + 60_000,
        "status": "PASSED",
    }
    return {key: value for key, value in (record | changes).items() if value is not None}


test.__test__ = False  # type: ignore[attr-defined]  # a maker of records


def as_bytes(record: Any) -> bytes:
    return record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode()


def answer_of(
    *pages: Sequence[Any],
    hour: float = 0,
    complete: bool = True,
    answered: set[str] | None = None,
    place: msgspec.Struct | None = None,
) -> Answer:
    """An answer of these pages, asked `hour` hours after the first one."""
    asked_at = FIRST_ASKED + timedelta(hours=hour)

    async def listed(answer: Answer) -> AsyncGenerator[Page]:
        for number, records in enumerate(pages):
            yield Page([as_bytes(record) for record in records], asked_at + timedelta(seconds=number), place)
        answer.complete = complete
        answer.answered = answered

    return Answer(listed, asked_at)


def land(lake: Path, answer: Answer, table: Table = TEST_EXECUTIONS, day: date = DAY) -> dict[str, Landed]:
    return asyncio.run(landing.merge(lake, table, "acme", day, answer))


def commands_answer(*tests: tuple[str, Any], hour: float = 0, state: str = "PASSED/1") -> Answer:
    """The commands of each of these tests: a list of steps, or None where the source has nothing."""
    asked_at = FIRST_ASKED + timedelta(hours=hour)

    async def listed(answer: Answer) -> AsyncGenerator[Page]:
        for name, steps in tests:
            place = CommandPlace(name, _test_state=state)
            records = [as_bytes(step) for step in steps or ()]
            yield Page(records, asked_at, place, is_unavailable=steps is None)
        answer.complete = True

    return Answer(listed, asked_at)


def land_commands(lake: Path, *tests: tuple[str, Any], hour: float = 0, state: str = "PASSED/1") -> Landed:
    return land(lake, commands_answer(*tests, hour=hour, state=state), COMMANDS)["commands"]


def rows(lake: Path, table: str, source: str = "perfecto_reporting") -> list[dict[str, Any]]:
    """The rows of the day's files, in the order in which they lie there."""
    files = sorted((lake / source / table / "connection=acme").glob("dt=*/*.parquet"))
    found = []
    with duckdb.connect(":memory:") as database:
        database.execute("set timezone = 'UTC'")
        for file in files:
            result = database.execute(
                "select * from read_parquet($f, hive_partitioning = false)", {"f": str(file)}
            )
            names = [column[0] for column in result.description]
            found += [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return found


def column(lake: Path, table: str, name: str) -> dict[str, Any]:
    """A column by the table's first key."""
    return {next(iter(row.values())): row[name] for row in rows(lake, table)}


def missing(lake: Path, table: str = "test_executions") -> set[str]:
    """Ids of the rows that a complete answer no longer listed."""
    return {row["id"] for row in rows(lake, table) if row["_missing_since"] is not None}
