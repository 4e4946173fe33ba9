"""The report opens without a network, and every number on it is what the query shown beside it returns."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.report import parts
from pipelines.report.sections import ABOUT, SECTIONS
from tests.proofs.conftest import Home, KnownLab

MOST_ROWS = 2_000
QUESTIONS = [
    question for section in (ABOUT, *SECTIONS) for part in section.parts for question in part.questions
]


@dataclass
class Number:
    question: str
    row: int
    column: str
    text: str = ""


@dataclass
class Page(HTMLParser):
    """What the report says: its numbers, its queries, its pictures, what it loads and where it leads."""

    numbers: list[Number] = field(default_factory=list)
    queries: dict[str, str] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    leads_to: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    marks: int = 0
    _into: Any = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        links = [said[name] or "" for name in ("src", "href", "xlink:href", "srcset") if name in said]
        if tag == "a":
            self.leads_to += links
        else:
            self.fetched += links
        if "id" in said:
            self.names.append(said["id"] or "")
        self.marks += tag in ("path", "rect", "line", "text")
        if tag == "data":
            number = Number(
                said["data-question"] or "", int(said["data-row"] or 0), said["data-column"] or ""
            )
            self.numbers.append(number)
            self._into = number
        elif tag == "pre":
            self._into = said["data-query"]
            self.queries[self._into] = ""

    def handle_endtag(self, _tag: str) -> None:
        self._into = None

    def handle_data(self, text: str) -> None:
        if isinstance(self._into, Number):
            self._into.text += text
        elif self._into:
            self.queries[self._into] += text


@pytest.fixture(scope="module")
def file(known_lab: KnownLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    said = known_lab.home.flakehouse("report", "--out", str(folder))
    (file,) = folder.iterdir()
    assert f"{file} (" in said
    return file


@pytest.fixture(scope="module")
def page(file: Path) -> Page:
    page = Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page


def test_every_number_is_what_its_query_returns(known_lab: KnownLab, page: Page, figures: list[str]) -> None:
    with known_lab.home.warehouse() as warehouse:
        answers = {name: warehouse.sql(sql).fetchall() for name, sql in page.queries.items()}
        columns = {name: warehouse.sql(sql).columns for name, sql in page.queries.items()}
    wrong = []
    for number in page.numbers:
        value = answers[number.question][number.row][columns[number.question].index(number.column)]
        if not says(number.text, value):
            wrong.append((number, value))
    assert wrong == []
    assert len({number.question for number in page.numbers}) >= 10
    figures.append(f"{len(page.numbers):,} numbers of {len(page.queries)} queries: 0 differ")


def says(text: str, value: float | None) -> bool:
    """Whether the text is the value, as far as it is written out."""
    if value is None:
        return text == "-"
    digits, decimals = re.fullmatch(r"(-?[\d,]+(?:\.(\d+))?)(?:%| h| min)?", text).groups()
    shown = float(digits.replace(",", "")) / (100 if text.endswith("%") else 1)
    step = 10 ** -len(decimals or "") / (100 if text.endswith("%") else 1)
    return abs(shown - value) <= step / 2 + 1e-9


def test_every_section_shows_something_and_its_charts_have_marks(page: Page) -> None:
    assert set(page.queries) == {question.name for question in QUESTIONS}
    assert {"tests_now", "flake_cost", "busiest_devices", "manual_coverage"} <= {
        n.question for n in page.numbers
    }
    assert page.marks > 500


def test_it_leads_to_the_vendors_pages_and_fetches_and_runs_nothing(
    known_lab: KnownLab, file: Path, page: Page
) -> None:
    text = file.read_text(encoding="utf-8")
    with known_lab.home.warehouse() as warehouse:
        reports = {
            url for (url,) in warehouse.sql("select report_url from marts.recent_test_runs").fetchall()
        }
    assert set(page.fetched) <= {f"#{name}" for name in page.names}
    assert {target for target in page.leads_to if not target.startswith("#")} < reports
    assert len(set(page.leads_to) & reports) >= 10
    assert re.findall(r"@import|<script|<link|<iframe|url\((?!#)", text) == []
    assert file.stat().st_size < 5_000_000


def test_the_marts_alone_answer_every_question_in_a_bounded_number_of_rows(known_lab: KnownLab) -> None:
    with duckdb.connect() as nothing_else:
        nothing_else.execute("create schema marts")
        for file in (known_lab.home.path / "marts" / "marts").glob("*.parquet"):
            nothing_else.execute(f"create view marts.{file.stem} as from '{file}'")
        rows = {question.name: len(question.asked_of(nothing_else).rows) for question in QUESTIONS}
    assert {name: count for name, count in rows.items() if count > MOST_ROWS} == {}


def test_without_a_warehouse_the_next_command_is_named(tmp_path: Path) -> None:
    said = Home(tmp_path, tmp_path / "connections.toml").flakehouse("report", expect=1)
    assert said.endswith("no warehouse is published yet; run `flakehouse build`\n")


def test_what_a_vendor_sent_as_a_link_is_one_only_if_it_leads_to_a_page() -> None:
    is_link = parts.environment().globals["is_link"]
    assert is_link("https://acme.example/run/1")
    assert not any(map(is_link, ["javascript:alert(1)", "data:text/html,x", "", None]))
