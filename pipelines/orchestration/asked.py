"""When each day of a source and connection was asked for, as the lake tells of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path

from pipelines.lib import landings
from pipelines.lib.contract import Table
from pipelines.orchestration.cadence import SKEW, Asked

OfTables = Mapping[landings.Place, Mapping[date, landings.Landing]]


def of_tables(lake: str | Path, since: date, now: datetime, *, only_whole: bool = False) -> OfTables:
    """The newest landing of each day from then on, by table and connection; `only_whole`: that was not told in part."""
    return landings.newest_of_days(lake, since, now + SKEW, only_whole=only_whole)


def together(known: OfTables, tables: Iterable[Table], connection: str) -> dict[date, Asked]:
    """By day: when the last of these tables was asked for with success; a day without one of them was not."""
    tables = list(tables)
    children = {child.name for table in tables for child in table.children}
    days = [
        known.get((table.source, table.name, connection), {})
        for table in tables
        if table.name not in children
    ]
    return {
        day: Asked(min(of[day].at for of in days), any(of[day].is_due_again for of in days))
        for day in set.intersection(*(set(of) for of in days))
    }
