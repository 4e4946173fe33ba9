"""The published warehouse as a notebook reads it: `marts` alone, a bounded number of rows at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from pipelines.defs.warehouse.folders import Folders
from pipelines.report.answers import Answer, MartsMissingError, Question
from pipelines.report.window import LAST_DAY, in_last
from pipelines.settings import Settings

MOST_ROWS = 3_000
"""More than a person reads, and less than a browser minds."""


class NothingPublishedError(Exception):
    """There is no warehouse to read yet."""


class TooManyRowsError(Exception):
    """A query without a bound."""


@dataclass(frozen=True)
class Published:
    """One build of the warehouse, the newest at the time it was opened; a later one changes nothing here."""

    database: duckdb.DuckDBPyConnection
    published_at: datetime

    @cached_property
    def last_day(self) -> date | None:
        """The last day of every window; none before the first test run."""
        (day,) = self.values(f"select {LAST_DAY}")
        return day

    def in_last(self, days: int, column: str = "date") -> str:
        """True of the last so many days. These are written out: a query that has to find them reads whole columns first."""
        return in_last(days, column, f"date '{self.last_day}'" if self.last_day else "null::date")

    def ask(self, name: str, sql: str) -> Answer:
        return self.answer(Question(name, sql))

    def answer(self, question: Question) -> Answer:
        """MartsMissingError where the build is of an older version."""
        answer = question.asked_of(self.database)
        if len(answer.data) > MOST_ROWS:
            raise TooManyRowsError(f"{question.name}: {len(answer.data):,} rows, of {MOST_ROWS:,} at most")
        return answer

    def values(self, sql: str) -> list[Any]:
        """The first column of an answer."""
        try:
            return [row[0] for row in self.database.sql(sql).fetchmany(MOST_ROWS)]
        except duckdb.CatalogException as error:
            raise MartsMissingError.of(error) from None


def opened() -> Published:
    """NothingPublishedError where no build is published yet."""
    file = Folders(Settings().home).published
    if not file.exists():
        raise NothingPublishedError(f"{file}: no warehouse is published yet; run `flakehouse build`")
    return Published(_connected(file), datetime.fromtimestamp(file.stat().st_mtime, UTC))


def _connected(file: Path) -> duckdb.DuckDBPyConnection:
    """Attached to a database of our own: `connect(file)` would share what another notebook of this process has open,
    however old that is by now."""
    database = duckdb.connect()
    quoted = str(file).replace("'", "''")
    database.execute(f"attach '{quoted}' as {file.stem} (read_only)")
    database.execute(f"use {file.stem}")
    database.execute("set timezone = 'UTC'")
    database.execute("set threads = 2")
    database.execute("set memory_limit = '1GB'")
    return database
