"""Each statistics macro against scipy, to 1e-9."""

from __future__ import annotations

import random

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy import optimize, stats

from .compiled_macros import evaluate, macros

Z = stats.norm.ppf(0.95)
EXACT = {"rel": 1e-9, "abs": 1e-9}


def _shares(count=400):
    draw = random.Random(1)
    runs = [draw.randint(1, 3000) for _ in range(count)]
    failures = [draw.choice([0, n, draw.randint(0, n)]) for n in runs]
    return pa.table(
        {"runs": runs, "failures": failures, "share": [f / n for f, n in zip(failures, runs, strict=True)]}
    )


def test_wilsons_bounds_are_scipys():
    rows = _shares()
    expected = [
        stats.binomtest(f, n).proportion_ci(0.9, method="wilson")
        for f, n in zip(rows["failures"].to_pylist(), rows["runs"].to_pylist(), strict=True)
    ]
    assert evaluate(macros()["wilson_low"], rows) == pytest.approx([i.low for i in expected], **EXACT)
    assert evaluate(macros()["wilson_high"], rows) == pytest.approx([i.high for i in expected], **EXACT)


def test_wilsons_bounds_of_runs_that_are_no_whole_number_solve_its_equation():
    draw = random.Random(2)
    rows = pa.table(
        {
            "share": [draw.uniform(0.01, 0.99) for _ in range(100)],
            "runs": [draw.uniform(0.5, 900) for _ in range(100)],
        }
    )

    def off(bound, share, runs):
        return abs(share - bound) / np.sqrt(bound * (1 - bound) / runs) - Z

    for share, runs, low, high in zip(
        rows["share"].to_pylist(),
        rows["runs"].to_pylist(),
        evaluate(macros()["wilson_low"], rows),
        evaluate(macros()["wilson_high"], rows),
        strict=True,
    ):
        assert low == pytest.approx(
            optimize.brentq(off, 1e-15, share - 1e-12, (share, runs), xtol=1e-14), **EXACT
        )
        assert high == pytest.approx(
            optimize.brentq(off, share + 1e-12, 1 - 1e-15, (share, runs), xtol=1e-14), **EXACT
        )


def test_entropy_is_scipys():
    rows = _shares()
    expected = [stats.entropy([p, 1 - p], base=2) for p in rows["share"].to_pylist()]
    assert evaluate(macros()["entropy_bits"], rows) == pytest.approx(expected, **EXACT)


def test_the_smallest_detectable_rate_is_missed_in_one_window_of_twenty():
    rows = pa.table({"runs": [1, 2, 10, 29, 59, 299, 100_000]})
    rates = evaluate(macros()["min_detectable_rate"], rows)
    missed = stats.binom.pmf(0, rows["runs"].to_pylist(), rates)
    assert missed == pytest.approx([0.05] * len(rates), **EXACT)


def test_clean_runs_are_the_fewest_passes_that_rule_a_rate_out():
    rates = [0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.94, 0.9499]
    needed = evaluate(macros()["clean_runs_to_clear"], pa.table({"rate": rates}))
    for rate, runs in zip(rates, needed, strict=True):
        assert stats.binom.pmf(0, runs, rate) <= 0.05 < stats.binom.pmf(0, runs - 1, rate)
    assert needed[1:4] == [299, 59, 29]


def test_clean_runs_at_the_ends():
    rates = pa.table({"rate": pa.array([None, 0.0, 0.95, 1.0])})
    assert evaluate(macros()["clean_runs_to_clear"], rates) == [None, None, 1, 1]


def test_a_solid_failure_is_rarer_by_chance_than_one_in_a_hundred():
    draw = random.Random(3)
    rows = pa.table(
        [[draw.randint(lo, hi) for _ in range(500)] for lo, hi in ((1, 6), (0, 6), (0, 20), (0, 20))],
        names=["attempts", "failures", "other_attempts", "other_failures"],
    )
    rows = pa.Table.from_pylist(
        [
            r
            for r in rows.to_pylist()
            if r["failures"] <= r["attempts"] and r["other_failures"] <= r["other_attempts"]
        ]
    )
    expected = [
        r["attempts"] >= 2
        and r["failures"] == r["attempts"]
        and bool(
            stats.binom.pmf(
                r["failures"],
                r["attempts"],
                r["other_failures"] / r["other_attempts"] if r["other_attempts"] else 1.0,
            )
            < 0.01
        )
        for r in rows.to_pylist()
    ]
    assert evaluate(macros()["is_solidly_failing"], rows) == expected
    assert 0 < sum(expected) < len(expected)


def _clustered(count=200):
    """Runs of device-days: per group its number of runs and of failures."""
    draw = np.random.default_rng(4)
    for _ in range(count):
        sizes = draw.integers(1, 12, draw.integers(2, 40))
        yield sizes, draw.binomial(sizes, draw.beta(0.5, 2, len(sizes)))


def _sums(sizes, failures):
    share = failures.sum() / sizes.sum()
    return {
        "n_groups": len(sizes),
        "runs": int(sizes.sum()),
        "failures": int(failures.sum()),
        "squares": float((sizes**2).sum()),
        "between_groups": float((sizes * (failures / sizes - share) ** 2).sum()),
        "within_groups": float((failures * (1 - failures / sizes)).sum()),
    }


def _expected_correlation(sizes, failures):
    """From scipy's one-way analysis of variance: F = (1 + (n0 - 1) * rho) / (1 - rho) in expectation."""
    samples = [np.repeat([1.0, 0.0], [f, n - f]) for n, f in zip(sizes, failures, strict=True)]
    f = stats.f_oneway(*samples).statistic
    typical = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(sizes) - 1)
    return 1.0 if np.isinf(f) else min(1.0, max(0.0, (f - 1) / (f - 1 + typical)))


def test_the_correlation_is_that_of_the_analysis_of_variance():
    groups = [(n, f) for n, f in _clustered() if 0 < f.sum() < n.sum() and len(n) < n.sum()]
    rows = pa.Table.from_pylist([_sums(n, f) for n, f in groups])
    expected = [_expected_correlation(n, f) for n, f in groups]
    assert evaluate(macros()["correlation"], rows) == pytest.approx(expected, **EXACT)


def test_the_design_effect_grows_with_the_runs_that_hang_together():
    groups = [(n, f) for n, f in _clustered() if 0 < f.sum() < n.sum() and len(n) < n.sum()]
    rows = pa.Table.from_pylist([_sums(n, f) for n, f in groups])
    expected = []
    for sizes, failures in groups:
        rho = _expected_correlation(sizes, failures)
        together = (sizes**2).sum() / sizes.sum()
        few_groups = (1 + (Z**2 + 1) / (4 * (len(sizes) - 1))) ** 2
        expected.append((1 + (together - 1) * rho) * few_groups if rho > 0 else 1.0)
    assert evaluate(macros()["design_effect"], rows) == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize(
    ("sizes", "failures"),
    [([5, 7], [0, 0]), ([30], [4]), ([1, 1, 1], [1, 0, 0]), ([4, 4], [4, 4])],
    ids=["no failure", "one device-day", "one run on each", "nothing but failures"],
)
def test_the_design_effect_is_1_where_nothing_speaks_for_dependence(sizes, failures):
    rows = pa.Table.from_pylist([_sums(np.array(sizes), np.array(failures))])
    assert evaluate(macros()["design_effect"], rows) == [1.0]


def test_widened_intervals_hold_the_true_rate_where_runs_of_a_device_and_day_hang_together():
    """At least 88% of windows of 12 device-days of 3 to 20 runs, at correlations up to .3; plain Wilson does not."""
    draw = np.random.default_rng(5)
    rate, windows = 0.3, []
    for correlation in (0.05, 0.15, 0.3):
        shape = (1 - correlation) / correlation
        for _ in range(400):
            sizes = draw.integers(3, 20, 12)
            windows.append(
                _sums(sizes, draw.binomial(sizes, draw.beta(rate * shape, (1 - rate) * shape, 12)))
            )
    rows = pa.Table.from_pylist(windows)
    effects = np.array(evaluate(macros()["design_effect"], rows))
    runs = rows["runs"].to_numpy()
    shares = rows["failures"].to_numpy() / runs

    def held(effective):
        bounds = pa.table({"share": shares, "runs": effective})
        low, high = (np.array(evaluate(macros()[name], bounds)) for name in ("wilson_low", "wilson_high"))
        return ((low <= rate) & (rate <= high)).mean()

    assert held(runs / effects) >= 0.88
    assert held(runs.astype(float)) < 0.75


def test_neighbouring_binomial_probabilities_are_scipys():
    draw = random.Random(6)
    rows = pa.Table.from_pylist(
        [
            {"trials": n, "chance": draw.uniform(0.01, 0.99), "successes": draw.randint(1, n)}
            for n in (draw.randint(1, 300) for _ in range(200))
        ]
    )
    expected = [
        stats.binom.logpmf(r["successes"], r["trials"], r["chance"])
        - stats.binom.logpmf(r["successes"] - 1, r["trials"], r["chance"])
        for r in rows.to_pylist()
    ]
    assert evaluate(macros()["ln_binomial_step"], rows) == pytest.approx(expected, **EXACT)


def test_fishers_one_sided_test_is_scipys():
    draw = random.Random(7)
    tables = [
        (runs, draw.randint(0, runs), base, draw.randint(0, base))
        for runs, base in (
            (draw.randint(0, top), draw.randint(0, top)) for top in (3, 30, 300, 3000) for _ in range(60)
        )
    ]
    names = ("sample_runs", "sample_failures", "base_runs", "base_failures")
    cases = pa.table(dict(zip(names, map(list, zip(*tables, strict=True)), strict=True)))
    with duckdb.connect() as connection:
        connection.register("cases", cases.append_column("test_id", pa.array(range(len(tables)))))
        answers = connection.execute(
            f"with {macros()['fisher_tails']} select p_value from fisher_tails order by test_id"
        ).fetchall()
    expected = [
        stats.fisher_exact([[f, n - f], [g, m - g]], alternative="greater").pvalue for n, f, m, g in tables
    ]
    assert [p for (p,) in answers] == pytest.approx(expected, **EXACT)
