"""Questions to the published marts and their answers: every number that is shown has the query that it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb
import pandas as pd

Row = dict[str, Any]


class MartsMissingError(Exception):
    """The published warehouse lacks a table or column that a question reads: it is of an older version."""

    @classmethod
    def of(cls, error: duckdb.Error) -> MartsMissingError:
        why = str(error).splitlines()[0]
        return cls(f"the published warehouse is of another version ({why}); run `flakehouse build`")


@dataclass(frozen=True)
class Question:
    """One query over `marts`, with a bound on its rows."""

    name: str
    sql: str

    def asked_of(self, warehouse: duckdb.DuckDBPyConnection) -> Answer:
        try:
            return Answer(self, warehouse.sql(self.sql).df())
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise MartsMissingError.of(error) from None


@dataclass(frozen=True)
class Answer:
    question: Question
    data: pd.DataFrame

    @cached_property
    def rows(self) -> list[Row]:
        """The rows as Python values; what is missing is None."""
        objects = self.data.astype(object).where(self.data.notna(), None)
        return objects.to_dict("records")


Form = Callable[[Any], str]
"""How a value is written; nothing for what is missing."""


def _unless_missing(write: Form) -> Form:
    return lambda value: "-" if value is None else write(value)


as_text = _unless_missing(str)
as_count = _unless_missing("{:,.0f}".format)
as_hours = _unless_missing("{:,.1f} h".format)
as_minutes = _unless_missing("{:,.0f} min".format)
as_ratio = _unless_missing("{:,.2f}".format)
as_day = _unless_missing(lambda moment: f"{moment:%Y-%m-%d}")
as_time = _unless_missing(lambda moment: f"{moment:%Y-%m-%d %H:%M}")


@_unless_missing
def as_share(value: float) -> str:
    """A share in percent; with a decimal where that is all there is of it."""
    percent = 100 * value
    return f"{percent:.1f}%" if percent < 10 else f"{percent:.0f}%"
