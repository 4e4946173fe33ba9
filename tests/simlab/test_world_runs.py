"""What happens in the simulated world, run by run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date, timedelta
from itertools import pairwise

import pytest

from simlab.world import Lab, build_world
from simlab.world.catalogue import ALWAYS_FAILS, ALWAYS_PASSES, MAX_ATTEMPTS, CatalogueTest
from simlab.world.model import TestRun as Run
from simlab.world.names import MANUAL_SESSION_NAME
from simlab.world.oddities import ODDITIES, ONLY_ON_PASSED, WITHOUT_OCCUPANCY
from simlab.world.perfecto import PerfectoCloud
from simlab.world.randomness import DAY, HOUR, midnight
from simlab.world.schedule import FarmDay

FIRST, DAYS = date(2026, 6, 1), 30


@pytest.fixture(scope="module")
def cloud() -> PerfectoCloud:
    return build_world(1, FIRST, DAYS).perfecto[0]


@pytest.fixture(scope="module")
def runs(cloud: PerfectoCloud) -> list[Run]:
    return [run for day in cloud.days() for run in cloud.test_runs(day)]


@pytest.fixture(scope="module")
def tests_by_name(cloud: PerfectoCloud) -> dict[tuple[str | None, str], CatalogueTest]:
    ordinals = range(FIRST.toordinal(), FIRST.toordinal() + DAYS)
    return {(t.project_name, t.name_on(o)): t for t in cloud.catalogues[0].tests for o in ordinals}


def digest(world: Lab, day: date) -> str:
    return hashlib.sha256(repr(list(world.perfecto[0].test_runs(day))).encode()).hexdigest()


def test_a_day_is_the_same_whatever_was_asked_before_it() -> None:
    days = [FIRST + timedelta(days=n) for n in range(6)]
    upwards, downwards = build_world(1, FIRST, 6), build_world(1, FIRST, 6)
    assert [digest(upwards, d) for d in days] == [digest(downwards, d) for d in reversed(days)][::-1]


def test_worlds_of_one_seed_agree_on_the_days_they_share() -> None:
    day = FIRST + timedelta(days=5)
    assert digest(build_world(1, FIRST, 6), day) == digest(build_world(1, day, 40), day)
    assert digest(build_world(1, FIRST, 6), day) != digest(build_world(2, FIRST, 6), day)


def test_another_process_with_other_string_hashes_makes_the_same_day() -> None:
    code = (
        "import hashlib; from datetime import date; from simlab.world import build_world;"
        f"runs = list(build_world(1, date{FIRST.timetuple()[:3]}, 3).perfecto[0].test_runs(date(2026, 6, 2)));"
        "print(hashlib.sha256(repr(runs).encode()).hexdigest())"
    )
    made = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": s},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for s in ("1", "2")
    ]
    assert made == [digest(build_world(1, FIRST, 3), date(2026, 6, 2))] * 2


def test_a_day_costs_one_plan_of_each_farm_and_the_day_before_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: Counter[int] = Counter()
    make = FarmDay.make

    def counted(self: FarmDay) -> object:
        made[self._ordinal] += 1
        return make(self)

    monkeypatch.setattr(FarmDay, "make", counted)
    world = build_world(1, FIRST, 365, density=2)
    days = [FIRST + timedelta(days=100 + n) for n in range(10)]
    for day in days:
        world.perfecto[0].test_runs(day)
    assert sum(made.values()) == 2 * 11
    some_run = world.perfecto[0].test_runs(days[3])[5]
    assert world.perfecto[0].test_run(some_run.id) == some_run
    assert sum(made.values()) == 2 * 11


def test_a_dense_world_scales_and_keeps_few_days() -> None:
    sparse, dense = (build_world(1, FIRST, 60, density=d).perfecto[0] for d in (0.25, 4))
    busy = len(dense.test_runs(FIRST))
    assert 1800 < busy < 3200
    assert 2000 < sum(len(sparse.test_runs(day)) for day in list(sparse.days())[:20]) < 3600
    assert len({device.device_id.lower() for device in dense.devices()}) == 4 * 24
    for day in dense.days():
        dense.test_runs(day)
    assert sum(len(runs) for runs in dense._days.values()) < 100_000
    assert len({run.id for runs in dense._days.values() for run in runs}) == sum(
        map(len, dense._days.values())
    )


def test_a_working_day_has_450_to_650_runs(cloud: PerfectoCloud) -> None:
    counts = [len(cloud.test_runs(day)) for day in cloud.days() if day.weekday() < 5]
    assert all(450 <= count <= 650 for count in counts), counts
    assert list(cloud.test_runs(FIRST - timedelta(days=1))) == []


def test_every_run_starts_on_its_day_and_is_found_by_its_id(cloud: PerfectoCloud, runs: list[Run]) -> None:
    assert len({run.id for run in runs}) == len(runs)
    assert all(len(run.id) == 24 and int(run.id, 16) for run in runs)
    for day in list(cloud.days())[:4]:
        of_day = cloud.test_runs(day)
        start = midnight(day.toordinal())
        assert all(start <= run.started_at < start + DAY for run in of_day)
        assert [r.started_at for r in of_day] == sorted(r.started_at for r in of_day)
        assert all(cloud.test_run(run.id) is run for run in of_day)
    assert cloud.test_run("no such id") is None
    assert cloud.test_run("f" * 24) is None


def test_sessions_of_a_device_overlap_only_where_a_double_booking_says_so(runs: list[Run]) -> None:
    by_device: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        for device in run.devices:
            by_device[device.device_id].append(run)
    double = 0
    for of_device in by_device.values():
        holder = of_device[0]
        for run in of_device[1:]:
            overlaps = holder.ended_at is not None and run.started_at < holder.ended_at
            assert overlaps == (run.oddity == "double_booking") or holder.ended_at is None
            double += overlaps
            if (run.ended_at or run.started_at) > (holder.ended_at or 0):
                holder = run
    assert double >= 20


def test_sessions_run_into_the_next_day_and_manual_ones_hold_devices_too(runs: list[Run]) -> None:
    crossing = [r for r in runs if r.ended_at and r.ended_at // DAY > r.started_at // DAY]
    assert len(crossing) >= 20
    manual = [r for r in runs if r.name == MANUAL_SESSION_NAME]
    assert len(manual) > 12 * DAYS
    assert all(len(r.devices) == 1 and r.project_name is None and r.job_name is None for r in manual)
    assert any(r in crossing for r in manual)


def test_a_test_is_repeated_until_it_passes_and_at_most_three_times(runs: list[Run]) -> None:
    chains: dict[tuple[object, ...], list[Run]] = defaultdict(list)
    for run in runs:
        if run.job_number is not None and run.devices and run.job_name != "bank matrix":
            chains[run.project_name, run.name, run.job_name, run.job_number].append(run)
    assert max(map(len, chains.values())) == MAX_ATTEMPTS
    assert sum(len(chain) > 1 for chain in chains.values()) > 200
    for chain in chains.values():
        assert all(run.status in ("FAILED", "BLOCKED") for run in chain[:-1])
        assert all(first.ended_at <= second.started_at for first, second in pairwise(chain))
        assert len({(r.devices[0].device_type, r.devices[0].os) for r in chain}) == 1


def test_tests_that_always_fail_never_pass_and_are_mostly_repeated(
    runs: list[Run], tests_by_name: dict[tuple[str | None, str], CatalogueTest]
) -> None:
    own = [r for r in runs if r.name != MANUAL_SESSION_NAME]
    broken = [r for r in own if tests_by_name[r.project_name, r.name].kind == ALWAYS_FAILS]
    assert len(broken) > 500
    assert not [r for r in broken if r.status == "PASSED"]
    assert Counter((r.job_name, r.job_number, r.name) for r in broken).most_common(1)[0][1] >= 3


def test_tests_of_rate_0_fail_only_in_outages_and_in_builds_that_they_fail_wholly(
    runs: list[Run], tests_by_name: dict[tuple[str | None, str], CatalogueTest]
) -> None:
    verdicts: dict[tuple[int, object, object], set[str]] = defaultdict(set)
    broken_at: dict[int, dict[object, int]] = defaultdict(dict)
    for run in runs:
        if run.name == MANUAL_SESSION_NAME or run.outage_id or run.status not in ("PASSED", "FAILED"):
            continue
        test = tests_by_name[run.project_name, run.name]
        if test.kind == ALWAYS_PASSES:
            build = (run.job_name, run.job_number)
            if run.status == "FAILED":
                assert run.job_number is not None
                broken_at[test.index].setdefault(build, run.started_at)
            if run.job_number is not None:
                verdicts[test.index, *build].add(run.status)
    assert all(len(seen) == 1 for seen in verdicts.values())
    assert len(broken_at) >= 10
    assert all(len(builds) <= 2 for builds in broken_at.values())


def test_outages_explain_the_failures_that_they_made(cloud: PerfectoCloud, runs: list[Run]) -> None:
    outages = {o.outage_id: o for day in cloud.days() for o in cloud.outages_of(day)}
    assert {o.scope for o in outages.values()} == {"device", "location", "connection"}
    failed = [run for run in runs if run.outage_id]
    assert len(failed) > 100
    for run in failed:
        outage = outages[run.outage_id]
        assert outage.started_at <= run.started_at < outage.ended_at
        assert run.status in ("FAILED", "BLOCKED")
        if outage.scope != "connection" and run.devices:
            assert outage.scope_id in {w for d in run.devices for w in (d.device_id, d.location)}
    for run in runs:
        if run.status == "PASSED":
            places = {"acme"} | {w for d in run.devices for w in (d.device_id, d.location)}
            assert not any(
                o.started_at <= run.started_at < o.ended_at and o.scope_id in places for o in outages.values()
            )
    plain = [r for r in failed if r.status == "FAILED" and "Assert" in (r.message or "")]
    assert len(plain) >= 5, "outages that look like assertions"


def test_devices_are_out_of_reach_in_outages_and_in_maintenance(
    cloud: PerfectoCloud, runs: list[Run]
) -> None:
    states: Counter[str] = Counter()
    for day in cloud.days():
        for device in cloud.devices():
            for away in cloud.unavailable(device.device_id, day.toordinal()):
                assert cloud.device_state(device.device_id, away.started_at) == away.state
                assert cloud.device_state(device.device_id, away.ended_at - 1) == away.state
                states[away.state] += 1
    assert set(states) == {"NOT_CONNECTED", "ERROR", "MAINTENANCE"}
    assert not [
        run
        for run in runs
        if run.status == "PASSED"
        and run.oddity != "double_booking"
        and any(cloud.device_state(d.device_id, run.started_at) != "CONNECTED" for d in run.devices)
    ]


def test_every_documented_oddity_occurs_and_none_takes_evidence_away(runs: list[Run]) -> None:
    shown = Counter(run.oddity for run in runs if run.oddity)
    assert set(shown) == set(ODDITIES)
    assert set(ODDITIES) >= WITHOUT_OCCUPANCY
    assert min(shown.values()) >= 5
    assert all(run.status == "PASSED" for run in runs if run.oddity in ONLY_ON_PASSED)
    for run in runs:
        assert (run.oddity == "no_end") == (run.ended_at is None)
        assert (run.oddity == "no_platforms") == (not run.devices)
        if run.oddity == "job_without_number":
            assert run.job_name
            assert run.job_number is None
        if run.oddity == "impossible_external_id":
            assert "_66_36" in run.external_id


def test_the_texts_that_people_and_tools_leave_are_as_uneven_as_real_ones(runs: list[Run]) -> None:
    names = {run.name for run in runs}
    assert max(map(len, names)) > 100
    assert all(any(odd in name for name in names) for odd in "/:\"?'<>|*%&")
    assert len({run.project_name for run in runs if run.name == "Login works"}) == 3
    by_tags = defaultdict(set)
    for run in runs:
        by_tags[frozenset(run.tags)].add(run.tags)
    assert max(map(len, by_tags.values())) > 1
    assert {"App crashed", "Application crashed"} <= {run.failure_reason_name for run in runs}
    failed = [run for run in runs if run.status == "FAILED"]
    assert any(run.failure_reason_name is None for run in failed)
    edits = [(run, edit) for run in failed for edit in run.edits]
    assert all(edit.at > run.started_at for run, edit in edits)
    assert {edit.failure_reason_name is None for _, edit in edits} == {True, False}
    assert max(len(run.message or "") for run in failed) > 4000
    assert all(run.owner.endswith("@example.com") for run in runs)
    assert {None, "Manual", "Scheduled", "CI/CD"} <= {run.trigger_type for run in runs}


def test_runs_are_listed_soon_after_their_end_and_a_few_hours_later(runs: list[Run]) -> None:
    delays = [run.visible_at - run.ended_at for run in runs if run.ended_at]
    assert min(delays) > 0
    late = [d for d in delays if d > HOUR]
    assert 0.003 < len(late) / len(delays) < 0.02
    assert max(late) > 12 * HOUR


def test_two_phones_are_held_by_a_test_that_needs_two(runs: list[Run]) -> None:
    pairs = [run.devices for run in runs if len(run.devices) == 2]
    assert len(pairs) > 50
    assert all(first.device_id != second.device_id for first, second in pairs)


def test_phones_get_upgraded_and_one_travels(cloud: PerfectoCloud, runs: list[Run]) -> None:
    versions = defaultdict(set)
    for run in runs:
        for device in run.devices:
            versions[device.device_id].add(device.os_version)
    assert sum(len(found) > 1 for found in versions.values()) >= 5
    at = midnight(FIRST.toordinal())
    places = [{d.device_id: d.location for d in cloud.devices(at + n * 10 * DAY)} for n in range(9)]
    assert any(first != second for first, second in pairwise(places))


def test_reservations_overlap_the_window_that_was_asked_for(cloud: PerfectoCloud) -> None:
    start = midnight(FIRST.toordinal() + 3) + 11 * HOUR
    found = cloud.reservations(start, start + HOUR)
    assert found
    assert all(r.ended_at > start and r.started_at < start + HOUR for r in found)
    whole = cloud.reservations(midnight(FIRST.toordinal()), midnight(FIRST.toordinal() + DAYS))
    assert set(found) <= set(whole)
    assert len({r.id for r in whole}) == len(whole)


def test_steps_fit_their_run_and_carry_its_message_where_it_failed(
    cloud: PerfectoCloud, runs: list[Run]
) -> None:
    shapes: Counter[str] = Counter()
    for run in runs[::7]:
        steps = cloud.steps(run)
        assert steps == cloud.steps(run)
        commands = [command for step in steps for command in step.commands]
        shapes["none"] += not steps
        shapes["nameless"] += bool(steps) and steps[0].name is None
        shapes["empty"] += any(not step.commands for step in steps)
        for command in commands:
            assert run.started_at <= command.started_at <= command.ended_at
            assert run.ended_at is None or command.ended_at <= run.ended_at
            for _, value, attributes in command.parameters:
                assert attributes is None or value == "***"
                shapes["secret"] += attributes is not None
        failures = [command for command in commands if command.status == "FAILURE"]
        if run.status in ("FAILED", "BLOCKED") and steps:
            assert [command.message for command in failures] == [run.message]
            assert failures[0].has_screenshot
        else:
            assert not failures
    assert all(shapes[shape] > 10 for shape in ("none", "nameless", "empty", "secret")), shapes
