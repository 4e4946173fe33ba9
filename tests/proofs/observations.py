"""A snapshot table of our own, rounds of it as if they had been observed, and what readers then see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path

import duckdb
import msgspec

from pipelines.lib import landing
from pipelines.lib.answer import Answer, Page
from pipelines.lib.contract import Key, Table
from pipelines.lib.redaction import Redaction


class Look(msgspec.Struct, gc=False):
    id: Key
    level: int | None = None


LOOKS = Table(
    source="made_up",
    name="looks",
    kind="snapshot",
    description="One row per thing and round.",
    record=Look,
    key=("id",),
    redaction=Redaction(),
)


def observe(lake: Path, at: datetime, things: int = 3, *, refused: bool = False) -> None:
    """One round: so many things, and a record that cannot be typed where `refused`."""
    records = [{"id": f"thing {n}", "level": at.minute} for n in range(things)]
    records += [{"id": "odd", "level": "high"}] if refused else []

    async def pages(_answer: Answer) -> AsyncGenerator[Page]:
        yield Page([json.dumps(record).encode() for record in records], at)

    asyncio.run(landing.append(lake, LOOKS, "lab", Answer(pages, at), 300))


def seen(lake: Path, columns: str = "*", table: str = LOOKS.name) -> list[tuple]:
    """What anybody reads who lists all files of the table, in a fixed order."""
    with duckdb.connect(":memory:") as database:
        database.execute("set timezone = 'UTC'")
        return database.execute(
            f"""select {columns} from read_parquet($files, hive_partitioning = true,
                hive_types_autocast = false, union_by_name = true) where connection <> '_' order by all""",
            {"files": str(lake / LOOKS.source / table / "**" / "*.parquet")},
        ).fetchall()


def files(lake: Path, table: str = LOOKS.name) -> dict[str, int]:
    """Files per day."""
    days = (lake / LOOKS.source / table / "connection=lab").glob("dt=*")
    return {day.name.removeprefix("dt="): len(list(day.glob("*.parquet"))) for day in sorted(days)}
