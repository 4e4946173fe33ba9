"""What a section is made of; each part shows one answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt
import pandas as pd

from pipelines.report.answers import Form, Question, as_count, as_text


@dataclass(frozen=True)
class Column:
    """A column of a table: a column of the answer, its heading, and how values are written."""

    name: str
    heading: str
    form: Form = as_text
    is_number: bool = False
    is_long: bool = False
    """May be broken anywhere, as messages and ids are."""
    is_short: bool = False
    """Stays on one line."""
    beneath: str | None = None
    """The answer's column that is written small below the value."""
    link: str | None = None
    """The answer's column that holds where the value leads to."""
    chart: Callable[[Any], alt.TopLevelMixin] | None = None
    """Draws the value, which is a list of structs."""


def number(name: str, heading: str, form: Form) -> Column:
    return Column(name, heading, form, is_number=True)


@dataclass(frozen=True)
class Card:
    """One number that deserves to be large, and below it what it is measured against, as in `of {tests}`."""

    question: Question
    name: str
    heading: str
    form: Form
    beside: str = ""
    beside_form: Form = as_count


@dataclass(frozen=True)
class Cards:
    cards: Sequence[Card]

    @property
    def questions(self) -> list[Question]:
        return list(dict.fromkeys(card.question for card in self.cards))


@dataclass(frozen=True)
class Table:
    title: str
    question: Question
    columns: Sequence[Column]
    says: str = ""
    nothing: str = "Nothing to show."

    @property
    def questions(self) -> list[Question]:
        return [self.question]


@dataclass(frozen=True)
class Figure:
    title: str
    question: Question
    draw: Callable[[pd.DataFrame], alt.TopLevelMixin]
    says: str = ""
    nothing: str = "Nothing to show."

    @property
    def questions(self) -> list[Question]:
        return [self.question]


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    parts: Sequence[Cards | Table | Figure] = field(default_factory=list)
