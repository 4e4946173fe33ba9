"""Each notebook runs on the marts alone, in a bounded number of rows, and shows what its shown queries return."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.notebooks import warehouse
from pipelines.notebooks.filters import condition, literal
from pipelines.notebooks.page import NOTEBOOKS
from pipelines.notebooks.serving import FOLDER
from pipelines.notebooks.warehouse import NothingPublishedError, Published, TooManyRowsError, opened
from pipelines.report.answers import Answer, Question
from tests.proofs.conftest import Home
from tests.proofs.test_report import Page, says


class Ran:
    """What a notebook asked of the warehouse of a home, and what it put on its page."""

    def __init__(self, name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FLAKEHOUSE_HOME", str(home))
        self.answers: list[Answer] = []
        answer = Published.answer

        def noted(published: Published, question: Question) -> Answer:
            self.answers.append(answer(published, question))
            return self.answers[-1]

        monkeypatch.setattr(Published, "answer", noted)
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        outputs, _ = module.app.run()
        self.page = Page()
        self.page.feed("".join(output.text for output in outputs if hasattr(output, "text")))
        monkeypatch.undo()


@pytest.fixture(params=NOTEBOOKS)
def ran(request: pytest.FixtureRequest, marts_only: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    return Ran(request.param, marts_only, monkeypatch)


def test_it_reads_marts_alone_in_a_bounded_number_of_rows_and_shows_every_query(
    ran: Ran, marts_only: Path
) -> None:
    assert len(ran.answers) >= 6
    assert max(len(answer.data) for answer in ran.answers) <= warehouse.MOST_ROWS
    shown = set(ran.page.queries)
    for answer in ran.answers:
        assert answer.question.name in shown | {"tests", "reasons"}  # those two are the choices of a filter


def test_every_number_is_what_the_query_beside_it_returns(ran: Ran, marts_only: Path) -> None:
    with duckdb.connect() as database:
        database.execute(
            f"attach '{marts_only / 'warehouse' / 'flakehouse.duckdb'}' as flakehouse (read_only)"
        )
        database.execute("use flakehouse")
        answers = {name: database.sql(sql).df().to_dict("records") for name, sql in ran.page.queries.items()}
    numbers = ran.page.numbers
    assert len(numbers) >= 10
    wrong = [
        (number, value)
        for number in numbers
        if not says(number.text, value := _none(answers[number.question][number.row][number.column]))
    ]
    assert wrong == []


def _none(value: Any) -> Any:
    return None if value is None or value != value else value


def test_a_query_without_a_bound_is_refused(marts_only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKEHOUSE_HOME", str(marts_only))
    with pytest.raises(TooManyRowsError, match="4,000 rows"):
        opened().ask("everything", "from range(4000)")


def test_a_notebook_keeps_the_build_that_it_opened_and_the_next_one_sees_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAKEHOUSE_HOME", str(tmp_path))
    with pytest.raises(NothingPublishedError, match="flakehouse build"):
        opened()
    _publish(tmp_path, 1)
    first = opened()
    _publish(tmp_path, 2)
    second = opened()
    assert first.values("select build from marts.build") == [1]
    assert second.values("select build from marts.build") == [2]


def _publish(home: Path, build: int) -> None:
    folder = home / "warehouse"
    folder.mkdir(exist_ok=True)
    aside = home / str(build) / "flakehouse.duckdb"
    aside.parent.mkdir()
    with duckdb.connect(aside) as database:
        database.execute(f"create schema marts; create table marts.build as select {build} as build")
    aside.replace(folder / "flakehouse.duckdb")


def test_what_was_chosen_stands_in_the_query_as_it_is() -> None:
    choices = {"connection": "acme", "project": "O'Hara; drop", "team": "all", "system": None}
    made = condition(choices, "project", "team", "system")
    assert made == "project_name = 'O''Hara; drop'"
    assert condition(choices, "team") == "true"
    assert duckdb.sql(f"select {literal(choices['project'])}").fetchall() == [("O'Hara; drop",)]


def test_without_a_warehouse_the_next_command_is_named(tmp_path: Path) -> None:
    said = Home(tmp_path, tmp_path / "connections.toml").flakehouse("notebooks", expect=1)
    assert said.endswith("no warehouse is published yet; run `flakehouse build`\n")
