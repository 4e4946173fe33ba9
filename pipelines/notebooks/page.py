"""How a notebook lays out what it found: a finding as the title, what is shown and of how much, and the query behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import altair as alt
import marimo as mo
import pandas as pd
from markupsafe import Markup

from pipelines.notebooks.warehouse import Published
from pipelines.report import parts
from pipelines.report.answers import Answer
from pipelines.report.layout import Card, Column, Table
from pipelines.report.theme import CONFIG

NOTEBOOKS = {
    "monday_review": (
        "Monday review",
        "What needs attention, what flakes cost, how busy the devices were: five minutes.",
    ),
    "flakiness": (
        "Flakiness",
        "Which tests are flaky, how sure that is, and on which devices and builds each failed.",
    ),
    "failures": (
        "Failures",
        "Why tests fail: what is new, what grows, where it concentrates, with the runs behind it.",
    ),
    "devices": ("Devices", "How busy each device is, when the fleet is full, and which devices fail tests."),
}
"""Title and purpose, in the order in which they are offered."""


def opening(name: str, says: str, published: Published) -> mo.Html:
    """The head of a notebook, and the look of all that follows."""
    served = mo.app_meta().mode == "run"
    return _html(
        Markup(
            "<style>{}</style>{}<h1 class='head'>{}</h1><p class='says'>{} <span class='of'>{}</span></p>"
        ).format(
            Markup(style()),  # noqa: S704  our own file
            others(name) if served else "",
            NOTEBOOKS[name][0],
            says,
            f"From the warehouse published {published.published_at:%Y-%m-%d %H:%M} UTC.",
        )
    )


def others(name: str) -> Markup:
    """Links to the other notebooks."""
    links = Markup(" ").join(
        Markup("<a href='../{}/'{}>{}</a>").format(
            each, Markup(" aria-current='page'") if each == name else "", title
        )
        for each, (title, _) in NOTEBOOKS.items()
    )
    return Markup("<nav class='others' aria-label='Notebooks'>{}</nav>").format(links)


def choices(filters: Any) -> mo.Html:
    """The filters in one line, or in several where there is no room."""
    return mo.hstack(list(filters.elements.values()), justify="start", align="end", gap=1, wrap=True)


def cards(*shown: tuple[Answer, Sequence[tuple[Any, ...]]]) -> mo.Html:
    """The numbers that deserve to be large: of each answer some, with what a `Card` has beside the question."""
    answers = {answer.question.name: answer for answer, _ in shown}
    laid = _parts().cards(
        [Card(answer.question, *card) for answer, of_answer in shown for card in of_answer], answers
    )
    return _html(
        laid + Markup("<div class='hows'>{}</div>").format(Markup("").join(map(_how, answers.values())))
    )


def figure(
    title: str,
    answer: Answer,
    draw: Callable[[pd.DataFrame], alt.TopLevelMixin],
    *,
    says: str,
    of: str,
    nothing: str = "Nothing to show for this choice.",
) -> mo.Html:
    """A chart: what was found, what is shown, its n and window; in words that there is nothing to draw."""
    if not answer.rows:
        return _html(
            _heading(answer, title) + Markup("<p class='says'>{}</p>").format(nothing) + _how(answer)
        )
    drawn = _Drawn(draw(answer.data).properties(description=f"{title}. {says} {of}"))
    return mo.vstack([_html(_heading(answer, title) + _says(says, of)), drawn, _html(_how(answer))], gap=0.25)


def table(
    title: str, answer: Answer, columns: Sequence[Column], *, says: str, of: str, nothing: str
) -> mo.Html:
    """A table, or in words that it would be empty."""
    heading = _heading(answer, title)
    if not answer.rows:
        return _html(heading + Markup("<p class='says'>{}</p>").format(nothing) + _how(answer))
    laid = _parts().table(Table(title, answer.question, columns), answer)
    return _html(heading + _says(says, of) + laid + _how(answer))


def of_report(part: Table, answer: Answer, title: str) -> mo.Html:
    """A table as the report has it, which no filter changes."""
    of = "Of everything, whatever is chosen."
    return table(title, answer, part.columns, says=part.says, of=of, nothing=part.nothing)


def beside(*shown: mo.Html) -> mo.Html:
    """Next to each other, or below where there is no room."""
    return mo.Html(f"<div class='beside'>{''.join(f'<div>{each.text}</div>' for each in shown)}</div>")


def section(title: str, says: str = "") -> mo.Html:
    heading = Markup("<h2 class='section'>{}</h2>").format(title)
    return _html(heading + Markup("<p class='says'>{}</p>").format(says) if says else heading)


@dataclass(frozen=True)
class _Drawn:
    """A chart as marimo's own front end draws it: as SVG, as wide as its place, in our theme whatever another notebook
    of this process has set."""

    chart: alt.TopLevelMixin

    def _mime_(self) -> tuple[str, str]:
        with alt.data_transformers.enable("default", max_rows=None):
            spec = self.chart.properties(width="container").to_dict()
        spec["config"] = CONFIG
        spec["usermeta"] = {"embedOptions": {"renderer": "svg", "actions": False}}
        return "application/vnd.vegalite.v6+json", json.dumps(spec)


def _html(text: Markup) -> mo.Html:
    return mo.Html(str(text))  # marimo cannot send a Markup


def _heading(answer: Answer, title: str) -> Markup:
    return Markup("<h3 class='finding' id='{}'>{}</h3>").format(answer.question.name, title)


def _says(says: str, of: str) -> Markup:
    return Markup("<p class='says'>{} <span class='of'>{}</span></p>").format(says, of)


def _how(answer: Answer) -> Markup:
    return _parts().how(answer)


@cache
def _parts() -> Any:
    return parts.environment().get_template("parts.html.j2").module


@cache
def style() -> str:
    """The look of what is laid out here, beside that of the report's parts."""
    return "\n".join(
        (files("pipelines") / place).read_text() for place in ("notebooks/page.css", "report/parts.css")
    )
