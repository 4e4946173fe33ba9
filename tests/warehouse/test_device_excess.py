"""core.fct_test_devices against scipy, on random tests, devices and builds."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

FIRST_DAY = date(2026, 3, 2)  # a Monday, and the first day of the window


@pytest.fixture(scope="module")
def runs():
    """Counted runs of 40 tests; every fifth fails mostly on its second device. Half of the tests stop at a pass."""
    draw = np.random.default_rng(7)
    rows = []
    for test in range(40):
        for build in range(int(draw.integers(20, 120))):
            for _ in range(int(draw.integers(1, 7))):
                device = int(draw.integers(0, 4))
                rate = 0.7 if test % 5 == 0 and device == 1 else 0.1
                failed = bool(draw.random() < rate)
                rows.append((f"t{test}", f"b{build}", f"d{device}", failed))
                if test % 2 and not failed:
                    break
    return rows


@pytest.fixture(scope="module")
def measured(build, runs):
    """The model's rows over those runs, by test and device."""
    model = next(build.target.glob("compiled/**/core/fct_test_devices.sql")).read_text()
    test, key, device, failed = (list(column) for column in zip(*runs, strict=True))
    table = pa.table(
        {
            "test_id": test,
            "build_key": key,
            "device_id": device,
            "is_failure": failed,
            "started_date": [_day(name) for name in key],
            "test_run_id": [f"{place:06d}" for place in range(len(runs))],
        }
    )
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as flakehouse; create schema flakehouse.core")
        connection.register("runs", table)
        connection.execute("""
            create table flakehouse.core.dim_connections as
            select 'perfecto' as source_name, 'acme' as connection, date '2026-03-31' as last_run_date;
            create table flakehouse.core.fct_counted_runs as
            select 'perfecto' as source_name, 'acme' as connection, 'v' as variant_id, started_date::timestamp as ordered_at, *
            from runs;
            create table flakehouse.core.fct_test_builds as
            select test_id, build_key, count(*) > 1 and bool_and(is_failure) as is_wholly_failed
            from runs group by all
        """)
        rows = connection.execute(model).to_arrow_table().to_pylist()
    return {(row["test_id"], row["device_id"]): row for row in rows}


def _day(build_key):
    return FIRST_DAY + timedelta(days=int(build_key[1:]) % 30)


@pytest.fixture(scope="module")
def strata(runs):
    """For each test and device the tables (runs here, failures here, runs of the stratum, failures of the stratum)."""
    builds = defaultdict(list)
    for test, build_key, device, failed in runs:
        builds[test, build_key].append((device, failed))
    groups = defaultdict(list)
    for (test, build_key), attempts in builds.items():
        results = [failed for _, failed in attempts]
        if False in results[:-1]:
            groups[test, build_key] += attempts
        elif len(attempts) == 1 or not all(results):
            for number, attempt in enumerate(attempts, 1):
                groups[test, (_day(build_key).isocalendar().week, min(number, 3))].append(attempt)
    found = {(test, device): [] for test, _, device, _ in runs}
    for (test, _), attempts in groups.items():
        for device in {device for device, _ in attempts}:
            here = [failed for owner, failed in attempts if owner == device]
            failures = sum(failed for _, failed in attempts)
            if 0 < failures < len(attempts) and len(here) < len(attempts):
                found[test, device].append((len(here), sum(here), len(attempts), failures))
    return found


def _expected(tables):
    return sum(here * failures / total for here, _, total, failures in tables)


def test_expected_failures_are_the_devices_share_of_each_stratums(measured, strata):
    assert measured.keys() == strata.keys()
    for pair, tables in strata.items():
        assert measured[pair]["comparable_failures"] == sum(failed for _, failed, _, _ in tables)
        assert measured[pair]["expected_failures"] == pytest.approx(_expected(tables), rel=1e-9, abs=1e-9)


def test_p_is_the_tail_of_the_binomial_distribution_with_the_same_mean(measured, strata):
    for pair, tables in strata.items():
        expected, seen = _expected(tables), measured[pair]["comparable_failures"]
        trials = sum(min(here, failures) for here, _, _, failures in tables)
        tail = (
            stats.binom.sf(seen - 1, trials, expected / trials)
            if trials and seen > expected + 1 - 1e-9
            else 1.0
        )
        assert measured[pair]["p_value"] == (pytest.approx(tail, rel=1e-9, abs=1e-12) if trials else None)


def test_p_never_claims_more_than_the_exact_test(measured, strata):
    """The exact tail of the sum over strata, each hypergeometric, by convolution."""
    for pair, tables in strata.items():
        exact = np.ones(1)
        for here, _, total, failures in tables:
            exact = np.convolve(
                exact, stats.hypergeom(total, failures, here).pmf(np.arange(min(here, failures) + 1))
            )
        if tables:
            assert measured[pair]["p_value"] >= exact[measured[pair]["comparable_failures"] :].sum() - 1e-12


def test_q_is_scipys_over_all_pairs_that_can_be_compared(measured):
    rows = [row for row in measured.values() if row["p_value"] is not None]
    assert {row["q_value"] for row in measured.values() if row["p_value"] is None} == {None}
    expected = stats.false_discovery_control([row["p_value"] for row in rows])
    assert [row["q_value"] for row in rows] == pytest.approx(list(expected), rel=1e-9, abs=1e-12)


def test_the_devices_that_break_their_tests_are_found_and_no_other(measured):
    found = {pair for pair, row in measured.items() if row["q_value"] is not None and row["q_value"] < 0.01}
    assert len(found) >= 6
    assert {(int(test[1:]) % 5, device) for test, device in found} == {(0, "d1")}
