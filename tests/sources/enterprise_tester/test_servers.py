"""Script runs as a server answers them: per assignment and day, with their steps, duplicates and edits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.defs.sources.enterprise_tester.client import client
from pipelines.defs.sources.enterprise_tester.contract import (
    EXECUTION_PACKAGES,
    PROJECTS,
    SCRIPT_ASSIGNMENTS,
    SCRIPT_RUNS,
    STEP_RESULTS,
)
from pipelines.lib.source_errors import NotAuthorised, Refused
from simlab.api.answers import draw
from simlab.server import Lab
from simlab.world.model import ScriptRun
from tests.simlab.serving import serving
from tests.simlab.tiny_world import (
    HOUR,
    NOON,
    SHOP,
    TinyEnterpriseTester,
    assignment,
    at,
    guid,
    script_run,
)
from tests.sources.lab_and_lake import appended, connection_to, held, merged

THE_DAY = date(2026, 3, 2)
LATER = "2026-03-05T12:00:00Zx0"
ASSIGNED = [assignment(f"script {n}") for n in range(30)]


def server(runs: Sequence[ScriptRun]) -> TinyEnterpriseTester:
    return TinyEnterpriseTester(runs, ASSIGNED)


def the_day(source: Any) -> Any:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    return source.script_runs(start, start + timedelta(days=1))


def landed(lab: Lab, lake: Path, **changes: object) -> Any:
    return merged(lab, client, connection_to(lab, "et", **changes), SCRIPT_RUNS, THE_DAY, the_day, lake)


RUNS = [
    script_run("before", ASSIGNED[0], at("2026-03-02") - 1000),
    script_run("first", ASSIGNED[0], at("2026-03-02")),
    script_run("noon", ASSIGNED[1], NOON),
    script_run("last", ASSIGNED[2], at("2026-03-03") - 1000),
    script_run("after", ASSIGNED[2], at("2026-03-03")),
]


def test_a_days_runs_come_with_their_steps_and_their_project(tmp_path: Path) -> None:
    with serving(enterprise_tester=server(RUNS), clock=LATER) as lab:
        outcome = landed(lab, tmp_path)
    rows = held(tmp_path, SCRIPT_RUNS)
    assert {row["id"] for row in rows} == {guid(name) for name in ("first", "noon", "last")}
    assert {(row["_project_id"], row["_project_name"]) for row in rows} == {(SHOP.id, "Shop")}
    assert outcome.complete
    steps = [row for row in held(tmp_path, STEP_RESULTS) if row["run_id"] == guid("noon")]
    assert sorted((step["step_index"], step["outcome"]) for step in steps) == [(0, "Passed"), (1, "Failed")]


def test_assignments_beyond_a_page_are_read_too(tmp_path: Path) -> None:
    many = [assignment(f"script {n}") for n in range(130)]
    runs = [script_run("one", many[129], NOON)]
    with serving(enterprise_tester=TinyEnterpriseTester(runs, many), clock=LATER) as lab:
        outcome = landed(lab, tmp_path)
    assert (outcome.rows, outcome.facts["assignments"]) == (1, 130)


def test_an_edit_after_completion_is_merged_into_the_day_of_creation(tmp_path: Path) -> None:
    run = script_run("noon", ASSIGNED[1], NOON, edited_at=NOON + 30 * HOUR, edited_duration="2 hours")
    with serving(enterprise_tester=server([run]), clock="2026-03-02T18:00:00Zx0") as lab:
        landed(lab, tmp_path)
    with serving(enterprise_tester=server([run]), clock=LATER) as lab:
        outcome = landed(lab, tmp_path)
    (row,) = held(tmp_path, SCRIPT_RUNS)
    assert (row["actual_duration"], outcome.changed) == ("2 hours", 1)


def test_an_edit_that_moves_no_time_is_found_when_its_day_is_read_again(tmp_path: Path) -> None:
    silent = [n for n in range(30) if not draw(guid(f"run {n}"), "silent edit", 6)]
    runs = [
        script_run(f"run {n}", ASSIGNED[n], NOON, edited_at=NOON + 30 * HOUR, edited_duration="2 hours")
        for n in silent
    ]
    assert runs, "a lab whose every edit moves the time proves nothing"
    with serving(enterprise_tester=server(runs), clock="2026-03-02T18:00:00Zx0") as lab:
        landed(lab, tmp_path)
        before = {row["id"]: row["last_updated_at"] for row in held(tmp_path, SCRIPT_RUNS)}
    with serving(enterprise_tester=server(runs), clock=LATER) as lab:
        landed(lab, tmp_path)
    rows = held(tmp_path, SCRIPT_RUNS)
    assert {row["id"]: row["last_updated_at"] for row in rows} == before
    assert {row["actual_duration"] for row in rows} == {"2 hours"}


def test_a_day_tells_of_the_runs_of_other_days_that_were_changed_in_it() -> None:
    loud = next(n for n in range(30) if draw(guid(f"run {n}"), "silent edit", 6))
    edits = {"edited_at": NOON + 30 * HOUR, "edited_duration": "2 hours"}
    runs = [script_run(f"run {loud}", ASSIGNED[0], NOON, **edits), script_run("other", ASSIGNED[1], NOON)]
    next_day = datetime(2026, 3, 3, tzinfo=UTC)
    for takes_filters in (True, False):
        with serving(enterprise_tester=server(runs), clock=LATER) as lab:

            async def ask(lab: Lab = lab, takes_filters: bool = takes_filters) -> tuple[int, Any]:
                async with client(connection_to(lab, "et")) as source:
                    source._takes_filters = takes_filters
                    answer = source.script_runs(next_day, next_day + timedelta(days=1))
                    pages = [page async for page in answer.pages(answer)]
                    return sum(len(page.records) for page in pages), answer

            own, answer = asyncio.run(ask())
        assert (own, answer.complete, list(answer.elsewhere)) == (0, True, [THE_DAY])
        (page,) = answer.elsewhere[THE_DAY]
        assert [guid(f"run {loud}") in bytes(record).decode().lower() for record in page.records] == [True]


def test_a_run_that_was_deleted_stays_and_says_since_when(tmp_path: Path) -> None:
    with serving(enterprise_tester=server(RUNS), clock=LATER) as lab:
        landed(lab, tmp_path)
    with serving(enterprise_tester=server(RUNS[:2]), clock="2026-03-05T13:00:00Zx0") as lab:
        landed(lab, tmp_path)
    gone = {row["id"] for row in held(tmp_path, SCRIPT_RUNS) if row["_missing_since"]}
    assert gone == {guid("noon"), guid("last")}


def test_an_assignment_that_is_no_longer_listed_takes_no_run_away(tmp_path: Path) -> None:
    with serving(enterprise_tester=server(RUNS), clock=LATER) as lab:
        landed(lab, tmp_path)
    fewer = TinyEnterpriseTester(RUNS[:2], ASSIGNED[:1])
    with serving(enterprise_tester=fewer, clock="2026-03-05T13:00:00Zx0") as lab:
        landed(lab, tmp_path)
    rows = held(tmp_path, SCRIPT_RUNS)
    assert len(rows) == 3
    assert all(row["_missing_since"] is None for row in rows)


def test_snapshots_hold_each_thing_once_per_round(tmp_path: Path) -> None:
    with serving(enterprise_tester=server(RUNS), clock=LATER) as lab:
        connection = connection_to(lab, "et")
        for table, question, count in (
            (PROJECTS, lambda source: source.projects(), 2),
            (EXECUTION_PACKAGES, lambda source: source.execution_packages(), 2),
            (SCRIPT_ASSIGNMENTS, lambda source: source.script_assignments(), 30),
        ):
            for round_ in (1, 2):
                outcome = appended(lab, client, connection, table, question, tmp_path)
                assert outcome.rows == count
                rows = held(tmp_path, table)
                assert len(rows) == count * round_
            assert {row["_interval_seconds"] for row in rows} == {300}
            assert {row["dt"] for row in rows} == {"2026-03-05"}
    packaged = held(tmp_path, SCRIPT_ASSIGNMENTS)[0]
    assert (packaged["package_name"], packaged["package_project_id"]) == ("Checkout", SHOP.id)
    assert packaged["_project_name"] == "Shop"
    shop = next(row for row in held(tmp_path, PROJECTS) if row["name"] == "Shop")
    assert shop["time_tracking_configuration_hours_per_day"] == 8


def test_only_the_projects_that_are_named_are_read(tmp_path: Path) -> None:
    with serving(enterprise_tester=server(RUNS), clock=LATER) as lab:
        bank = connection_to(lab, "et", projects=["Bank"])
        assert appended(lab, client, bank, PROJECTS, lambda source: source.projects(), tmp_path).rows == 1
        assert landed(lab, tmp_path, projects=["Bank"]).rows == 0


def test_a_project_that_the_user_does_not_see_is_named_with_those_that_he_does(tmp_path: Path) -> None:
    with serving(enterprise_tester=server(RUNS), clock=LATER) as lab, pytest.raises(Refused) as caught:
        landed(lab, tmp_path, projects=["Shop", "Shoop"])
    assert "this user sees no project Shoop; correct projects; visible are: Bank, Shop" in str(caught.value)


def test_a_refused_login_is_named_without_the_password(tmp_path: Path) -> None:
    with serving(enterprise_tester=server(RUNS), clock=LATER) as lab, pytest.raises(NotAuthorised) as caught:
        landed(lab, tmp_path, password="canary-4711")
    assert "enterprise_tester.et" in str(caught.value)
    assert "check its username and password" in str(caught.value)
    assert "canary-4711" not in str(caught.value)


def test_nothing_but_questions_is_ever_sent(tmp_path: Path) -> None:
    with serving(enterprise_tester=server(RUNS), clock=LATER) as lab:
        landed(lab, tmp_path)
        assert {request["method"] for request in lab.requests} == {"GET"}
