"""The default world through the lab: every oddity is there to be met, and the answers are quick."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from simlab.clock import DAY, MINUTE, day_of, start_of
from simlab.server import Lab, LabConfig, start
from simlab.world.oddities import ODDITIES
from tests.simlab.serving import Reporting, enterprise_tester_client


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with start(LabConfig(clock="2026-03-12T15:00:00Zx0")) as lab:
        yield lab


@pytest.fixture(scope="module")
def listed(lab: Lab) -> list[list[dict[str, object]]]:
    """The tests of each finished day, as a client pages through them."""
    today = start_of(day_of(lab.clock.now()))
    return [Reporting(lab).all_tests(today - n * DAY, today - n * DAY + DAY - 1) for n in range(1, 14)]


def test_two_weeks_hold_every_oddity(lab: Lab, listed: list[list[dict[str, object]]]) -> None:
    [cloud] = lab.world.perfecto
    served = {test["id"] for day in listed for test in day}
    marked = {run.oddity for test_id in served if (run := cloud.test_run(str(test_id))) is not None}
    assert marked - {None} == set(ODDITIES)


def test_a_busy_day_repeats_a_test_on_its_second_page(listed: list[list[dict[str, object]]]) -> None:
    repeats = [len(day) - len({test["id"] for test in day}) for day in listed if len(day) > 500]
    assert sum(repeats) > 0


def test_every_visible_run_of_the_world_is_listed_and_no_other(
    lab: Lab, listed: list[list[dict[str, object]]]
) -> None:
    [cloud] = lab.world.perfecto
    now = lab.clock.now()
    true = {
        run.id
        for n in range(1, 14)
        for run in cloud.test_runs(day_of(now - n * DAY))
        if run.visible_at <= now or (run.ended_at or run.started_at) + 10 * MINUTE >= run.visible_at
    }
    assert {test["id"] for day in listed for test in day} == true


def test_some_assignments_list_a_run_twice(lab: Lab) -> None:
    client = enterprise_tester_client(lab)
    twice = []
    for assignment in client.get("/api/scriptassignments", params={"$top": 500}).json()["Items"]:
        answer = client.get(f"/api/scriptassignment/{assignment['Id']}/runs", params={"$top": 500}).json()
        ids = [item["Id"] for item in answer["Items"]]
        twice += [assignment["Id"]] * (len(ids) - len(set(ids)))
    assert 1 <= len(twice) == len(set(twice)) <= 10


def test_a_page_that_was_shown_before_is_quick(lab: Lab, listed: list[list[dict[str, object]]]) -> None:
    reporting = Reporting(lab)
    today = start_of(day_of(lab.clock.now()))
    query = f"startExecutionTime[0]={today - DAY}&endExecutionTime[0]={today - 1}"
    took = []
    for _ in range(10):
        began = time.perf_counter()
        assert reporting.get("", query).status_code == 200
        took.append(time.perf_counter() - began)
    assert min(took) < 0.05
