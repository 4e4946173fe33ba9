"""The simulated HCL and Enterprise Tester servers' worlds."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from simlab.world import Lab, build_world
from simlab.world.randomness import DAY, MINUTE, midnight

FIRST, DAYS = date(2026, 6, 1), 30
DAY_LIST = [FIRST + timedelta(days=n) for n in range(DAYS)]


@pytest.fixture(scope="module")
def world() -> Lab:
    return build_world(1, FIRST, DAYS)


def test_server_executions_end_in_every_way_and_only_started_ones_have_a_start(world: Lab) -> None:
    server = world.hcl[0]
    found = [e for p in server.project_ids() for day in DAY_LIST for e in server.executions(p, day)]
    assert "1050" in server.project_ids()
    assert 25 * DAYS < len(found) < 40 * DAYS
    assert len({e.id for e in found}) == len(found)
    assert set(Counter(e.status for e in found)) == {
        "COMPLETE", "COMPLETE_WITH_ERROR", "STOPPED_BY_USER", "STOPPED_AUTOMATICALLY", "INCOMPLETE", "CANCELED",
        "LAUNCH_FAILED",
    }  # fmt: skip
    for e in found:
        assert (e.started_at is None) == (e.status in ("CANCELED", "LAUNCH_FAILED"))
        assert e.scheduled_at <= (e.started_at or e.scheduled_at) <= e.completed_at
        assert e.result_id.isdigit()
        assert (e.message is not None) == (e.status not in ("COMPLETE", "CANCELED"))
    again = build_world(1, FIRST, DAYS).hcl[0]
    assert list(again.executions("1050", DAY_LIST[7])) == list(server.executions("1050", DAY_LIST[7]))
    assert not server.executions("1050", FIRST - timedelta(days=1))
    assert not server.executions("no such project", FIRST)


def test_agents_are_busy_when_something_runs_on_them_and_get_lost(world: Lab) -> None:
    server = world.hcl[0]
    start = midnight(FIRST.toordinal() + 3)
    states: Counter[str] = Counter()
    for agent in server.agents():
        for at in range(start, start + 2 * DAY, 10 * MINUTE):
            state, engines, contact = server.agent_state(agent.id, at)
            states[state] += 1
            assert (engines > 0) == (state == "BUSY")
            assert contact <= at
    assert set(states) == {"AVAILABLE", "BUSY", "LOST"}
    assert states["AVAILABLE"] > states["LOST"]


def test_docker_hosts_carry_credentials_that_are_easy_to_search_for(world: Lab) -> None:
    hosts = world.hcl[0].docker_hosts()
    assert len(hosts) >= 2
    for host in hosts:
        secrets = (host.ca_cert, host.client_cert, host.client_key, host.username)
        assert all("canary" in secret.lower() for secret in secrets)
        assert world.hcl[0].docker_host_status(host.id, midnight(FIRST.toordinal()))[0] in ("OK", "FAILED")


def test_packages_are_nested_and_assignments_hang_in_them(world: Lab) -> None:
    server = world.enterprise_tester[0]
    assert len(server.projects()) == 2
    total = 0
    for project in server.projects():
        packages = {p.id: p for p in server.packages(project.id)}
        assert any(p.parent_id is None for p in packages.values())
        assert any(p.parent_id in packages for p in packages.values())
        assignments = server.assignments(project.id)
        total += len(assignments)
        assert all(a.package_id in packages for a in assignments)
        shared = [a for a in assignments if a.name == "Smoke check"]
        assert len({a.package_id for a in shared}) == 2
        assert [a for a in assignments if not server.script_runs(a.id)], "some are never run"
    assert 35 <= total <= 45


def test_manual_runs_have_the_statuses_durations_and_steps_of_the_contract(world: Lab) -> None:
    server = world.enterprise_tester[0]
    by_assignment = [
        server.script_runs(a.id) for project in server.projects() for a in server.assignments(project.id)
    ]
    runs = [run for of_assignment in by_assignment for run in of_assignment]
    assert 3 * DAYS < len(runs) < 10 * DAYS
    assert len({run.id for run in runs}) == len(runs)
    assert {r.status for r in runs} == {
        "Passed",
        "Failed",
        "Blocked",
        "Undetermined",
        "Not Run",
        "In Progress",
    }
    durations = {run.actual_duration for run in runs}
    assert {"", None, "2 days"} <= durations
    assert any(text and text.endswith(" minutes") for text in durations)
    assert any(text and "h " in text for text in durations)
    assert any(text and text[:2].isdigit() and ":" in text for text in durations)
    for of_assignment in by_assignment:
        created = [run.created_at for run in of_assignment]
        assert created == sorted(created, reverse=True)
        assert all(run.status != "In Progress" for run in of_assignment[1:])
    for run in runs:
        outcomes = [step.outcome for step in run.steps]
        assert run.created_at % 1000 == 0
        assert run.created_at < run.completed_at
        assert (run.edited_at is None) == (run.edited_duration is None)
        assert run.edited_at is None or run.edited_at > run.completed_at
        assert run.id == run.id.lower()
        match run.status:
            case "Passed":
                assert set(outcomes) == {"Passed"}
            case "Failed":
                failing = run.steps[outcomes.index("Failed")]
                assert failing.actual_result
                assert run.cause_id
            case "Blocked" | "Undetermined":
                assert outcomes.count(run.status) == 1
            case "Not Run":
                assert set(outcomes) == {"NotRun"}
    assert any(run.edited_at for run in runs)
