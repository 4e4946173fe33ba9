"""Shares that one lab has too few tests to tell, over many: of intervals, of false alarms, of what is found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from pipelines.lib.failure_families import TEMPLATES_QUERY
from tests.proofs.conftest import END, Home, KnownLab
from tests.proofs.many_worlds import worlds, write_worlds
from tests.proofs.some_models import build_models, query
from tests.proofs.test_flakiness_truth import Judged, holds, judge
from tests.warehouse.fixture_lake import write_families, write_segments

TO_FAMILIES = (
    *("failure_category_rules", "shipped_failure_category_rules", "failure_reason_categories"),
    *("int_failure_texts", "int_failure_templates", "fct_failure_messages", "fct_failure_message_days"),
)
TO_SEGMENTS = (
    *("stg_derived__failure_families", "dim_failures", "fct_failures", "fct_outage_signals", "fct_outages"),
    *("fct_test_runs", "fct_result_days", "fct_build_days", "fct_counted_runs", "fct_test_days"),
    *("fct_attempt_days", "dim_tests"),
)
TO_STATES = (
    *(
        "stg_derived__test_segments",
        "fct_test_segments",
        "fct_test_changes",
        "fct_test_builds",
        "fct_returns",
    ),
    *("fct_test_devices", "test_flakiness", "test_regressions"),
)


@dataclass(frozen=True)
class Labs:
    """How many, and how many tests they have at least: of rate 0, and with runs that depend on each other."""

    count: int
    days: int
    never: int
    dependent: int


@dataclass(frozen=True)
class Judgement:
    labs: Labs
    tests: list[Judged]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(Labs(2, 30, never=100, dependent=5), id="small"),
        pytest.param(Labs(40, 60, never=2_000, dependent=100), id="full", marks=pytest.mark.proof),
    ],
)
def judgement(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Judgement:
    labs = request.param
    folder = tmp_path_factory.mktemp("many_labs")
    home, truth = Home(folder, folder / "connections.toml"), folder / "truth"
    database = folder / "warehouse" / "flakehouse.duckdb"
    database.parent.mkdir()
    write_worlds(database, truth, worlds(labs.count, END - timedelta(days=labs.days - 1), labs.days))
    derived = database.parent / "derived"
    build_models(database, *TO_FAMILIES)
    write_families(derived, query(database, TEMPLATES_QUERY))
    build_models(database, *TO_SEGMENTS)
    write_segments(derived, lambda sql: query(database, sql))
    build_models(database, *TO_STATES)
    return Judgement(labs, judge(KnownLab(home, labs.days, 0, END, truth)))


def test_ninety_percent_intervals_hold_the_true_rate_dependent_runs_included(
    judgement: Judgement, figures: list[str]
) -> None:
    measured = [t for t in judgement.tests if t.rate_in_window is not None and t.flake_rate is not None]
    kinds = {
        "all": measured,
        "flaky": [t for t in measured if 0 < t.rate_in_window < 1],
        "with dependent runs": [t for t in measured if t.is_dependent],
    }
    assert len(kinds["with dependent runs"]) >= judgement.labs.dependent
    for kind, tests in kinds.items():
        held = sum(map(holds, tests))
        figures.append(
            f"{held} of {len(tests)} intervals hold the true rate: {held / len(tests):.1%} ({kind})"
        )
        assert held >= 0.88 * len(tests)


def test_hardly_a_test_of_rate_0_is_flaky(judgement: Judgement, figures: list[str]) -> None:
    never = [t for t in judgement.tests if t.true_rate == 0]
    blamed = [t for t in never if t.state in ("flaky", "broken", "regressed", "fixed")]
    assert len(never) >= judgement.labs.never
    assert len(blamed) <= 0.002 * len(never)
    figures.append(f"{len(blamed)} of {len(never)} tests of true rate 0 are called flaky, broken or changed")


def test_devices_that_tests_are_bound_to(judgement: Judgement, figures: list[str]) -> None:
    bound = [t for t in judgement.tests if t.true_cause == "device_bound" and t.state == "flaky"]
    found = [t for t in bound if t.cause == "device_bound" and t.bound_to in t.blamed]
    wrong = [t for t in judgement.tests if set(t.blamed) - {t.bound_to}]
    assert len(found) >= 0.75 * len(bound)
    assert len(wrong) <= 0.01 * len(found)
    figures.append(
        f"{len(found)} of {len(bound)} flaky tests bound to a device found; {len(wrong)} blame another device"
    )
