"""What our own runs tell of the lake: when each day was asked for, when each table was looked at, what changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.lib.answer import NOBODY_ASKED, PAST_RETENTION
from pipelines.lib.ingest_partitions import INGEST_PARTITIONS, ONLY_CHANGES
from pipelines.lib.lake_files import problems_named

Place = tuple[str, str, str]
"""source, table, connection"""

_ATTEMPTS = 3


@dataclass(frozen=True)
class Landing:
    """The newest landing of a day that answered the whole question."""

    at: datetime
    is_due_again: bool


def newest_of_days(
    lake: str | Path, since: date, until: datetime, *, only_whole: bool = False
) -> dict[Place, dict[date, Landing]]:
    """By table and day, of the window tables that were asked for since then; `only_whole`: and told as a whole, or as
    far as they ever will be.

    Later than `until` is what a clock noted that was ahead, and has been put back: it counts as never asked.
    """
    found: dict[Place, dict[date, Landing]] = {}
    for source, table, connection, day, at, is_due_again in rows(
        lake,
        since,
        """select source_name, table_name, connection, cast(day as date), max(started_at),
                  arg_max(coalesce(is_due_again, false), started_at)
           from landings where table_kind = 'window' and error is null and note is distinct from $only_changes
               and started_at <= $until
               and (not $only_whole or coalesce(is_complete, true) or contains(note, $nobody_asked)
                    or contains(note, $past_retention))
           group by all""",
        {
            "only_changes": ONLY_CHANGES,
            "until": until,
            "only_whole": only_whole,
            "nobody_asked": NOBODY_ASKED,
            "past_retention": PAST_RETENTION,
        },
    ):
        found.setdefault((source, table, connection), {})[day] = Landing(at, is_due_again)
    return found


def changes(lake: str | Path, since: date) -> tuple[datetime, datetime] | None:
    """When rows first and last came into the lake, or changed in it, since that day."""
    query = """select min(moment), max(moment) from (
                   select started_at + to_seconds(coalesce(seconds, 0)) as moment from landings where is_rewritten)"""
    found = rows(lake, since, query)
    return found[0] if found and found[0][0] else None


def rows(
    lake: str | Path, since: date, query: str, parameters: dict[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """The query's rows over the `landings` of these days; nothing of a lake without any."""
    landed = """with landings as (
        select * from read_parquet($files, hive_partitioning = true, hive_types_autocast = false,
                                   union_by_name = true)) """
    folder = Path(lake, INGEST_PARTITIONS.source, INGEST_PARTITIONS.name)
    return read(folder, since, landed + query, parameters)


def read(
    folder: Path, since: date, query: str, parameters: dict[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """The query's rows over a table's `$files` of these days; nothing where there is none."""
    for attempt in range(_ATTEMPTS):
        files = _files(folder, since)
        if not files:
            return []
        try:
            with problems_named(folder), duckdb.connect(":memory:") as database:
                database.execute("set timezone = 'UTC'")
                return database.execute(query, {"files": files, **(parameters or {})}).fetchall()
        except duckdb.IOException:  # a day's files have just become one
            if attempt == _ATTEMPTS - 1:
                raise
    return []


def _files(folder: Path, since: date) -> list[str]:
    days = (day for day in folder.glob("connection=*/dt=*") if day.name >= f"dt={since.isoformat()}")
    return [str(file) for day in days for file in day.glob("*.parquet")]
