"""Report and notebooks are of the same days, which end with the last test run however long devices are watched after it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.report.answers import Question
from pipelines.report.questions import FRESHNESS
from tests.notebooks.test_headless import Ran
from tests.proofs.test_report import QUESTIONS

WATCHED_ON = {
    "device_utilization_daily": "date + 60 as date, 0 as test_runs",
    "fleet_concurrency_hourly": "date + 60 as date, hour + interval 60 day as hour",
    "failure_reasons_daily": "date + 60 as date",
    "outages": "outage_date + 60 as outage_date, started_at + interval 60 day as started_at",
}


@pytest.fixture(scope="module")
def watched_on(marts_only: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same home after sixty days in which no test ran: devices were in use by hand, and failed."""
    home = tmp_path_factory.mktemp("watched_on")
    shutil.copytree(marts_only, home, dirs_exist_ok=True)
    with duckdb.connect(published(home)) as warehouse:
        for table, later in WATCHED_ON.items():
            warehouse.execute(
                f"insert into marts.{table} select * replace ({later}) from marts.{table} where {later.split(' + ')[0]} > (select max({later.split(' + ')[0]}) from marts.{table}) - 30"
            )
    return home


def published(home: Path) -> Path:
    return home / "warehouse" / "flakehouse.duckdb"


@pytest.mark.parametrize(
    "question", [each for each in QUESTIONS if each != FRESHNESS], ids=lambda each: each.name
)
def test_the_report_says_the_same(question: Question, marts_only: Path, watched_on: Path) -> None:
    answers = []
    for home in (marts_only, watched_on):
        with duckdb.connect(published(home), read_only=True) as warehouse:
            answers.append(rows(question.asked_of(warehouse).rows))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("name", ["monday_review", "devices"])
def test_notebooks_say_the_same(
    name: str, marts_only: Path, watched_on: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_first, later = (
        {each.question.name: rows(each.rows) for each in Ran(name, home, monkeypatch).answers}
        for home in (marts_only, watched_on)
    )
    assert at_first == later


def rows(found: list[dict[str, Any]]) -> list[str]:
    """As text: what is missing in two answers is the same."""
    return [
        repr(
            {name: f"{value:.9g}" if isinstance(value, float) else str(value) for name, value in row.items()}
        )
        for row in found
    ]
