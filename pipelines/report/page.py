"""The report as one HTML text: sections asked, drawn, and put on the page, with nothing left to fetch."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import duckdb
from markupsafe import Markup

from pipelines.report import charts, parts
from pipelines.report.answers import Answer
from pipelines.report.layout import Column, Figure
from pipelines.report.sections import ABOUT, SECTIONS
from pipelines.report.window import LAST_DAY


def written(warehouse: duckdb.DuckDBPyConnection, published_at: datetime) -> str:
    """The whole page, as of the build that this connection reads."""
    pictures = _Pictures()
    page = parts.environment(
        kind=lambda part: type(part).__name__.lower(), drawn=pictures.of_figure, small=pictures.of_value
    ).get_template("page.html.j2")
    answers = {
        question.name: question.asked_of(warehouse)
        for section in (ABOUT, *SECTIONS)
        for part in section.parts
        for question in part.questions
    }
    return page.render(
        about=ABOUT,
        sections=SECTIONS,
        answers=answers,
        last_day=_last_day(warehouse),
        published_at=published_at.astimezone(UTC),
    )


class _Pictures:
    """Charts as part of the page; names inside each made unique, as all share one document."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def of_figure(self, figure: Figure, answer: Answer) -> Markup:
        return self._part_of_page(charts.as_svg(figure.draw(answer.data)), figure.title)

    def of_value(self, column: Column, value: Any) -> Markup:
        return self._part_of_page(charts.as_svg(column.chart(value)), column.heading)

    def _part_of_page(self, svg: str, label: str) -> Markup:
        number = next(self._numbers)
        svg = svg.replace('id="', f'id="p{number}-').replace("url(#", f"url(#p{number}-")
        return Markup(svg.replace("<svg ", Markup('<svg role="img" aria-label="{}" ').format(label), 1))  # noqa: S704


def _last_day(warehouse: duckdb.DuckDBPyConnection) -> Any:
    ((day,),) = warehouse.sql(f"select {LAST_DAY}").fetchall()
    return day
