"""The exported truth against the runs, and against the definitions that the marts will use."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import date
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from simlab.world import Lab, build_world
from simlab.world.model import TestRun as Run
from simlab.world.names import MANUAL_SESSION_NAME
from simlab.world.oddities import WITHOUT_OCCUPANCY
from simlab.world.randomness import DAY, midnight
from simlab.world.truth import NO_PROJECT

FIRST, DAYS = date(2026, 6, 1), 30
Key = tuple[str, str, str, str]


@pytest.fixture(scope="module", params=[1, 2])
def world(request: pytest.FixtureRequest) -> Lab:
    return build_world(request.param, FIRST, DAYS)


@pytest.fixture(scope="module")
def folder(world: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("truth")
    world.write_truth(str(folder))
    return folder


def rows(folder: Path, table: str) -> list[dict[str, object]]:
    return pq.read_table(folder / f"{table}.parquet").to_pylist()


@pytest.fixture(scope="module")
def tests(folder: Path) -> dict[Key, dict[str, object]]:
    read = rows(folder, "tests")
    by_key = {(r["source_name"], r["connection"], r["project_name"], r["test_name"]): r for r in read}
    assert len(by_key) == len(read)
    return by_key


@pytest.fixture(scope="module")
def runs_of(world: Lab) -> dict[Key, list[Run]]:
    cloud = world.perfecto[0]
    found: dict[Key, list[Run]] = defaultdict(list)
    for day in cloud.days():
        for run in cloud.test_runs(day):
            if run.name != MANUAL_SESSION_NAME:
                found["perfecto", "acme", run.project_name or NO_PROJECT, run.name].append(run)
    return found


def counted(runs: list[Run]) -> list[Run]:
    """Runs that say something about the test, in order: it passed or failed, and no outage did it."""
    return [run for run in runs if run.status in ("PASSED", "FAILED") and not run.outage_id]


def variant(run: Run) -> tuple[object, ...]:
    device = run.devices[0]
    return device.device_type, device.os, device.browser_type


def test_every_run_belongs_to_a_test_of_the_truth(
    tests: dict[Key, dict[str, object]], runs_of: dict[Key, list[Run]]
) -> None:
    assert set(runs_of) <= set(tests)


def test_occupancy_is_every_sane_session_of_a_named_device(world: Lab, folder: Path) -> None:
    cloud = world.perfecto[0]
    expected = Counter(
        (
            d.device_id.lower(),
            run.started_at,
            run.ended_at,
            "manual" if run.name == MANUAL_SESSION_NAME else "test",
        )
        for day in cloud.days()
        for run in cloud.test_runs(day)
        if run.oddity not in WITHOUT_OCCUPANCY
        for d in run.devices
    )
    read = rows(folder, "device_occupancy")
    found = Counter(
        (r["device_id"], *(round(r[at].timestamp() * 1000) for at in ("started_at", "ended_at")), r["kind"])
        for r in read
    )
    assert found == expected
    assert all(r["ended_at"] > r["started_at"] for r in read)
    share = sum((r["ended_at"] - r["started_at"]).total_seconds() for r in read) / (DAYS * 24 * 86_400)
    assert 0.05 < share < 0.4


def test_failures_and_outages_name_each_other(world: Lab, folder: Path) -> None:
    failures, outages = rows(folder, "failures"), rows(folder, "outages")
    known = {o["outage_id"] for o in outages}
    assert len(known) == len(outages)
    assert {f["outage_id"] for f in failures} - {None} <= known
    assert len({f["test_run_id"] for f in failures}) == len(failures)
    assert {f["test_run_id"].split("/")[0] for f in failures} == {"perfecto", "enterprise_tester"}
    cloud = world.perfecto[0]
    failed = {
        f"perfecto/acme/{run.id}"
        for day in cloud.days()
        for run in cloud.test_runs(day)
        if run.status in ("FAILED", "BLOCKED")
    }
    assert failed == {f["test_run_id"] for f in failures if f["test_run_id"].startswith("perfecto/")}
    per_outage = Counter(f["outage_id"] for f in failures if f["outage_id"])
    seen = [o["scope"] for o in outages if per_outage[o["outage_id"]] >= 5]
    assert {"device", "location", "connection"} == set(seen)


def test_states_cover_the_hard_cases(tests: dict[Key, dict[str, object]]) -> None:
    perfecto = [t for t in tests.values() if t["source_name"] == "perfecto"]
    states = Counter(t["state"] for t in perfecto)
    assert set(states) == {"never_fails", "flaky", "broken", "regressed", "fixed"}
    assert states["never_fails"] >= 50
    assert states["broken"] >= 5
    for test in perfecto:
        probability = test["failure_probability"]
        assert (test["state"] == "never_fails") == (probability == 0)
        assert (test["state"] == "broken") == (probability == 1)
        if test["state"] in ("regressed", "fixed"):
            assert test["changed_at"].date() >= FIRST
            assert (test["rate_after"] > test["rate_before"]) == (test["state"] == "regressed")
    flaky = [t for t in perfecto if t["state"] == "flaky"]
    bound = [t for t in flaky if t["cause"] == "device_bound"]
    assert 0.1 < len(bound) / len(flaky) < 0.35
    assert all(t["device_bound_to"] for t in bound)
    assert sum(bool(t["is_dependent"]) for t in flaky) >= 3


def test_flaky_rates_are_spread_evenly_on_a_log_scale(world: Lab) -> None:
    rates = [
        test.rate
        for catalogue in build_world(world.seed, FIRST, 1, density=8).perfecto[0].catalogues
        for test in catalogue.tests
        if test.kind in ("flaky", "dependent")
    ]
    assert all(0.005 <= rate <= 0.5 for rate in rates)
    thirds = Counter(int(3 * math.log(rate / 0.005) / math.log(100.0001)) for rate in rates)
    assert len(rates) > 200
    assert all(0.25 < thirds[n] / len(rates) < 0.42 for n in range(3))


def test_measured_rates_agree_with_the_true_ones(
    tests: dict[Key, dict[str, object]], runs_of: dict[Key, list[Run]]
) -> None:
    """Failing attempts of each kind of test within five standard errors; broken builds add a few."""
    expected: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for key, runs in runs_of.items():
        test = tests[key]
        if test["state"] == "flaky":
            kind = "dependent" if test["is_dependent"] else str(test["cause"])
            expected[kind] += len(counted(runs)) * test["failure_probability"]
            failed[kind] += sum(run.status == "FAILED" for run in counted(runs))
    assert set(expected) == {"dependent", "device_bound", "intermittent"}
    for kind, mean in expected.items():
        widening = 2.5 if kind == "dependent" else 1
        assert abs(failed[kind] - mean) < 5 * widening * math.sqrt(mean) + 10, kind


def test_device_bound_tests_fail_on_their_device(
    tests: dict[Key, dict[str, object]], runs_of: dict[Key, list[Run]]
) -> None:
    there, elsewhere = Counter(), Counter()
    for key, runs in runs_of.items():
        if device := tests[key]["device_bound_to"]:
            for run in counted(runs):
                if run.devices:
                    side = there if run.devices[0].device_id.lower() == device else elsewhere
                    side[run.status] += 1
    assert there["FAILED"] / there.total() > 0.3
    assert elsewhere["FAILED"] / elsewhere.total() < 0.03


def test_by_the_marts_definitions_rate_0_is_never_flaky_and_rate_1_is_broken(
    tests: dict[Key, dict[str, object]], runs_of: dict[Key, list[Run]]
) -> None:
    """Mixed builds, and returns from fail to pass, over the last 30 days, outages aside."""
    always_failing = 0
    mixed_tests = 0
    for key, runs in runs_of.items():
        probability = tests[key]["failure_probability"]
        of_test = [run for run in counted(runs) if run.devices]
        verdicts: dict[tuple[object, ...], set[str]] = defaultdict(set)
        last: dict[tuple[object, ...], str] = {}
        returns = 0
        for run in of_test:
            if run.job_name is not None:
                verdicts[run.job_name, run.job_number, variant(run)].add(run.status)
            returns += last.get(variant(run)) == "FAILED" and run.status == "PASSED"
            last[variant(run)] = run.status
        mixed = sum(len(seen) == 2 for seen in verdicts.values())
        mixed_tests += mixed >= 2
        if probability == 0:
            assert mixed == 0, key
            assert returns <= 2, key
        if probability == 1:
            assert all(run.status == "FAILED" for run in of_test), key
            always_failing += len(of_test) >= 5
    assert always_failing >= 4
    assert mixed_tests >= 15


def test_a_renamed_test_has_a_row_for_each_name_it_bore(
    world: Lab, tests: dict[Key, dict[str, object]], runs_of: dict[Key, list[Run]]
) -> None:
    renamed = {key: test for key, test in tests.items() if test["previous_name"]}
    assert len(renamed) >= 2
    for (source, connection, project, name), test in renamed.items():
        at = midnight(test["renamed_at"].date().toordinal())
        before = runs_of[source, connection, project, test["previous_name"]]
        after = runs_of[source, connection, project, name]
        assert all(run.started_at < at for run in before)
        assert all(run.started_at >= at for run in after)
        assert any(run.started_at >= at - 14 * DAY for run in [*before, *after])
    assert world.parameters()["tests"] == 120


def test_device_states_do_not_overlap(folder: Path) -> None:
    by_device = defaultdict(list)
    for row in rows(folder, "device_states"):
        by_device[row["device_id"]].append((row["started_at"], row["ended_at"]))
    assert len(by_device) >= 15
    for stretches in by_device.values():
        stretches.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(stretches))


def test_manual_tests_are_named_by_their_package_where_two_share_a_name(
    world: Lab, tests: dict[Key, dict[str, object]], folder: Path
) -> None:
    server = world.enterprise_tester[0]
    run_ids = {
        f"enterprise_tester/et/{run.id}": run
        for project in server.projects()
        for assignment in server.assignments(project.id)
        for run in server.script_runs(assignment.id)
    }
    manual = {key: test for key, test in tests.items() if key[0] == "enterprise_tester"}
    assert {t["state"] for t in manual.values()} == {"never_fails", "flaky", "broken"}
    assert any("Smoke check (" in key[3] for key in manual)
    failed = {f["test_run_id"] for f in rows(folder, "failures")} & set(run_ids)
    assert failed == {run_id for run_id, run in run_ids.items() if run.status == "Failed"}
    assert len(failed) >= 5


def test_the_parameters_say_how_hard_the_world_is(world: Lab) -> None:
    parameters = world.parameters()
    assert parameters["causes"] >= 30
    assert parameters["seed"] == world.seed
    assert all(isinstance(value, str | int | float) for value in parameters.values())
