"""What the marts say of each test, against how the lab's world made it fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from tests.proofs.conftest import KnownLab

WINDOW_DAYS = 30


@dataclass(frozen=True)
class Judged:
    """A test as the warehouse sees it, beside what is true of it. Rates of a change are null without one."""

    name: str
    state: str
    cause: str | None
    runs: int
    failures: int
    doubted_failures: int
    flake_rate: float | None
    low: float | None
    high: float | None
    changed_after: datetime | None
    changed_before: datetime | None
    true_rate: float
    true_state: str
    true_cause: str | None
    bound_to: str | None
    runs_on_bound_device: int
    failures_on_bound_device: int
    blamed: list[str]
    is_dependent: bool
    true_change: datetime | None
    rate_before: float | None
    rate_after: float | None
    runs_since: int
    runs_in_missed_outages: int
    is_regression: bool | None
    window_start: datetime

    @property
    def rate_in_window(self) -> float | None:
        """The one rate that it had throughout the window; null where that changed."""
        if self.true_change is None:
            return self.true_rate
        return self.rate_after if self.true_change < self.window_start else None


@pytest.fixture(scope="module")
def judged(known_lab: KnownLab) -> list[Judged]:
    return judge(known_lab)


def judge(known_lab: KnownLab) -> list[Judged]:
    with known_lab.home.warehouse() as warehouse:
        rows = warehouse.sql(f"""
            with truth as (
                select source_name, connection, project_name, test_name, failure_probability, state, cause,
                    device_bound_to, is_dependent, changed_at::timestamp as changed_at, rate_before, rate_after
                from {known_lab.truth("tests")}
            ),
            since as (
                select runs.test_id, count(*) as runs
                from core.fct_counted_runs as runs
                join truth using (source_name, connection, project_name, test_name)
                where runs.started_at > truth.changed_at
                group by all
            ),
            missed as (
                select test_id, count(*) as runs
                from core.fct_counted_runs
                where started_date > date '{known_lab.last_day}' - {WINDOW_DAYS} and test_run_id in (
                    select test_run_id from {known_lab.truth("failures")} where outage_id is not null
                )
                group by all
            ),
            blamed as (
                select test_id, list(lower(device_id)) as devices
                from core.fct_test_devices where q_value < 0.01 group by all
            )
            select test_name, flakiness.state, flakiness.cause, flakiness.runs, flakiness.failures,
                doubted_failures, flake_rate, flake_rate_low,
                flake_rate_high, flakiness.changed_after, flakiness.changed_before, failure_probability, truth.state,
                truth.cause, lower(device_bound_to), coalesce(devices.runs, 0), coalesce(devices.failures, 0), coalesce(blamed.devices, []), is_dependent, changed_at,
                rate_before, rate_after, coalesce(since.runs, 0), coalesce(missed.runs, 0), is_regression, window_start::timestamp
            from marts.test_flakiness as flakiness
            join truth using (source_name, connection, project_name, test_name)
            left join blamed using (test_id)
            left join core.fct_test_devices as devices
                on flakiness.test_id = devices.test_id and devices.device_id = lower(truth.device_bound_to)
            left join since using (test_id)
            left join missed using (test_id)
            left join marts.test_regressions as regressions using (test_id)
        """).fetchall()
    return [Judged(*row) for row in rows]


def test_every_truly_broken_test_with_five_runs_is_broken_or_regressed(
    judged: list[Judged], figures: list[str]
) -> None:
    """`regressed` is the word where it broke inside the window."""
    always = [t for t in judged if t.true_rate == 1 and t.runs >= 5]
    lately = [t for t in judged if t.rate_after == 1 and t.runs_since >= 5]
    assert always, "the world has no always-failing test: it proves nothing"
    assert [t for t in always if t.state != "broken"] == []
    assert [t for t in lately if t.state not in ("broken", "regressed")] == []
    figures.append(
        f"{len(always)} tests that always fail with five runs or more: all broken; {len(lately)} that broke while "
        f"it was watched: {_counted(t.state for t in lately)}"
    )


def test_no_test_whose_true_rate_is_0_is_flaky(judged: list[Judged], figures: list[str]) -> None:
    """Nor is one that failed in an outage which gave too few signals to be found."""
    never = [t for t in judged if t.true_rate == 0]
    hit = [t for t in never if t.runs_in_missed_outages]
    assert len(never) >= 20, "too few tests of rate 0 to prove anything"
    assert any(t.doubted_failures for t in hit), "no failure of theirs is in doubt: it proves nothing"
    assert [t for t in never if t.state in ("flaky", "broken", "regressed", "fixed")] == []
    figures.append(
        f"{len(never)} tests of true rate 0: {_counted(t.state for t in never)}; {len(hit)} of them failed in outages "
        f"that were not found, {sum(t.doubted_failures for t in hit)} times in doubt"
    )


def test_stable_tests_have_a_true_rate_of_at_most_a_tenth(judged: list[Judged], figures: list[str]) -> None:
    stable = [t for t in judged if t.state == "stable" and t.rate_in_window is not None]
    held = [t for t in stable if t.rate_in_window <= 0.1]
    assert len(stable) >= 10
    assert len(held) >= 0.95 * len(stable)
    figures.append(f"{len(held)} of {len(stable)} stable tests have a true rate of at most .10")


def test_ninety_percent_intervals_hold_the_true_rate(judged: list[Judged], figures: list[str]) -> None:
    """Of every test that had one rate throughout the window, outages and broken builds aside."""
    measured = [t for t in judged if t.rate_in_window is not None and t.flake_rate is not None]
    kinds = {
        "never fail": [t for t in measured if t.rate_in_window == 0],
        "flaky": [t for t in measured if 0 < t.rate_in_window < 1],
        "always fail": [t for t in measured if t.rate_in_window == 1],
    }
    held = {kind: [t for t in tests if holds(t)] for kind, tests in kinds.items()}
    dependent = [t for t in measured if t.is_dependent]
    assert sum(map(len, held.values())) >= 0.88 * len(measured)
    assert len(held["flaky"]) >= 0.88 * len(kinds["flaky"])
    figures.append(
        "90% intervals that hold the true rate: "
        + ", ".join(f"{len(held[kind])} of {len(kinds[kind])} that {kind}" for kind in kinds).replace(
            "that flaky", "flaky"
        )
        + f"; {sum(map(holds, dependent))} of {len(dependent)} with dependent runs"
    )


def test_device_bound_tests_are_found_and_no_device_is_blamed_for_its_tests(
    judged: list[Judged], known_lab: KnownLab, figures: list[str]
) -> None:
    bound = [t for t in judged if t.true_cause == "device_bound" and t.state == "flaky"]
    found = [t for t in bound if t.cause == "device_bound" and t.bound_to in t.blamed]
    assert [t for t in judged if set(t.blamed) - {t.bound_to}] == []
    assert [t for t in judged if t.cause == "device_bound" and t.true_cause != "device_bound"] == []
    assert known_lab.days < WINDOW_DAYS or len(found) >= 0.6 * len(bound)
    missed = [
        f"{t.failures_on_bound_device} of {t.runs_on_bound_device} and {t.failures} of {t.runs}"
        for t in bound
        if t not in found
    ]
    figures.append(
        f"{len(found)} of {len(bound)} flaky tests bound to a device found, no other device blamed; failures of the "
        f"missed ones, there and in all: {'; '.join(missed) or 'none missed'}"
    )


def test_changes_within_the_window_are_told_and_placed(
    judged: list[Judged], known_lab: KnownLab, figures: list[str]
) -> None:
    told = [t for t in judged if t.state in ("regressed", "fixed")]
    assert [t for t in told if t.true_change is None] == []
    assert [t for t in told if (t.state == "regressed") != (t.rate_after > t.rate_before)] == []
    placed = [t for t in told if t.changed_after <= t.true_change <= t.changed_before]
    assert len(placed) >= 0.9 * len(told)
    assert known_lab.days < WINDOW_DAYS or len(told) >= 3
    widths = sorted(t.changed_before - t.changed_after for t in told)
    figures.append(
        f"{_counted(t.state for t in told)}: all truly changed so, {len(placed)} of {len(told)} within the range given, "
        f"the ranges {', '.join(f'{width / timedelta(hours=1):.0f}' for width in widths)} h wide"
    )


def test_regressions_of_the_week_are_true_ones(judged: list[Judged], figures: list[str]) -> None:
    """At most one in twenty may be false, which of so few tests is at most one."""
    found = [t for t in judged if t.is_regression]
    true = [t for t in found if t.true_change is not None and t.rate_after > t.rate_before]
    assert len(found) - len(true) <= 1
    figures.append(f"{len(found)} tests fail more in the last week, {len(true)} of them since a true change")


def holds(test: Judged) -> bool:
    return test.low - 1e-12 <= test.rate_in_window <= test.high + 1e-12


def _counted(words: Iterable[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(words).most_common()) or "none"
