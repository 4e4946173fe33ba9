"""Segments of histories: against a plain search, and against what is known of made-up histories."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from math import log

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import betabinom

from pipelines.lib.changepoints import SCHEMA, placed, segmented, segments

START = datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None)  # as the warehouse's times are


def history(test, counts):
    """Positions an hour apart, each half an hour long: (verdicts, failing, repeated, failed again) of each."""
    return [
        {
            "test_id": test,
            "position": f"{place:05d}",
            "first_run_at": START + timedelta(hours=place),
            "last_run_at": START + timedelta(hours=place, minutes=30),
            "runs": verdicts + repeated,
            "failures": failing + again,
            "verdicts": verdicts,
            "failing_verdicts": failing,
            "repeated_verdicts": repeated,
            "failed_repeated_verdicts": again,
        }
        for place, (verdicts, failing, repeated, again) in enumerate(counts)
    ]


def found(*histories):
    return segmented(pa.Table.from_pylist([row for rows in histories for row in rows])).to_pylist()


def drawn(rates, seed, retries=True):
    """One verdict at each position, which fails at that rate, as does its second attempt."""
    draw = random.Random(seed)
    for rate in rates:
        failed = draw.random() < rate
        yield 1, int(failed), int(failed and retries), int(failed and retries and draw.random() < rate)


def expected_starts(counts):
    """The same by recursion over every place, with scipy's beta-binomial distribution."""

    def evidence(part):
        verdicts, failing, repeated, again = np.sum(part, axis=0)
        return sum(  # the distribution counts orders of failures; ours has one order, so they are taken out
            betabinom.logpmf(k, n, a, b) - betabinom.logpmf(k, n, 1, 1) + _one_order(k, n)
            for k, n, a, b in ((failing, verdicts, 0.3, 0.5), (again, repeated, 0.5, 0.5))
        )

    def split(start, end):
        gains = [
            (round(evidence(counts[start:k]) + evidence(counts[k:end]) - evidence(counts[start:end]), 6), -k)
            for k in range(start + 1, end)
        ]
        gain, place = max(gains, default=(-1.0, 0))
        return [] if gain + log(1e-4) <= 0 else [*split(start, -place), -place, *split(-place, end)]

    return [0, *split(0, len(counts))]


def _one_order(k, n):
    """ln of 1 / ((n + 1) C(n, k)): how likely one order of k failures is under a flat prior."""
    return float(-np.log(n + 1) - sum(np.log((n - i) / (i + 1)) for i in range(int(k))))


def test_splits_are_those_of_a_plain_search_over_every_place():
    histories, expected = [], []
    for seed in range(25):
        draw = random.Random(100 + seed)
        rates = [
            r
            for _ in range(draw.randint(1, 4))
            for r in [draw.choice([0, 0.1, 0.5, 1])] * draw.randint(1, 60)
        ]
        counts = list(drawn(rates, seed))
        histories.append(history(f"t{seed:02d}", counts))
        expected += [(f"t{seed:02d}", START + timedelta(hours=k)) for k in expected_starts(counts)]
    rows = found(*histories)
    assert [(row["test_id"], row["started_at"]) for row in rows] == expected
    assert len(rows) > len(histories) + 10


def test_order_of_the_rows_does_not_matter():
    rows = history("t", drawn([0] * 20 + [1] * 20, 1)) + history("u", drawn([0.5] * 30, 2))
    shuffled = rows[:]
    random.Random(1).shuffle(shuffled)
    assert found(shuffled) == found(rows)


def test_a_segment_counts_its_runs_and_knows_its_ends():
    (first, last) = found(history("t", [(1, 0, 0, 0)] * 20 + [(1, 1, 1, 1)] * 10))
    assert (first["segment"], first["is_last"], first["runs"], first["failures"]) == (1, False, 20, 0)
    assert (last["segment"], last["is_last"], last["runs"], last["failures"]) == (2, True, 20, 20)
    assert (first["started_at"], first["ended_at"]) == (START, START + timedelta(hours=19, minutes=30))
    assert (last["started_at"], last["ended_at"]) == (
        START + timedelta(hours=20),
        START + timedelta(hours=29, minutes=30),
    )
    assert first["changed_after"] is first["changed_before"] is None


def test_a_sharp_change_lies_between_the_last_pass_and_the_first_failure():
    (_, last) = found(history("t", [(5, 0, 0, 0)] * 200 + [(5, 5, 5, 5)] * 50))
    assert last["changed_after"] == START + timedelta(hours=199)
    assert last["changed_before"] == START + timedelta(hours=200, minutes=30)


def test_the_range_holds_the_change_in_99_of_100_histories():
    at, held, seen = 100, 0, 0
    for seed in range(300):
        rows = found(history("t", drawn([0.05] * at + [0.5] * 60, seed)))
        if len(rows) == 2:
            seen += 1
            held += rows[1]["changed_after"] < START + timedelta(hours=at) < rows[1]["changed_before"]
    assert seen >= 200
    assert held / seen >= 0.97  # at 99%, 200 histories show fewer in one of a thousand cases


@pytest.mark.parametrize("rate", [0, 0.02, 0.3, 0.7, 1])
def test_a_rate_that_stays_is_rarely_split(rate):
    rows = found(*(history(f"t{seed:03d}", drawn([rate] * 120, seed)) for seed in range(200)))
    assert len(rows) <= 200 + 4


def test_one_build_that_broke_is_no_change():
    (only,) = found(history("t", [(1, 0, 0, 0)] * 60 + [(1, 1, 1, 1)] + [(1, 0, 0, 0)] * 60))
    assert (only["runs"], only["failures"]) == (122, 2)


def test_failing_throughout_counts_beside_failing_at_all():
    """Half of the verdicts fail before and after; before, the second attempt passes, and after it does not."""
    before, after = [(2, 1, 1, 0)] * 15, [(2, 1, 1, 1)] * 15
    assert [row["runs"] for row in found(history("t", before + after))] == [45, 45]


def test_tests_that_changed_are_placed_by_their_builds():
    """The day of the change is half old and half new; builds tell which."""
    days = [
        {**row, "first_run_at": START + timedelta(days=i), "last_run_at": START + timedelta(days=i, hours=20)}
        for test, counts in {
            "t": [(4, 0, 0, 0)] * 10 + [(4, 2, 2, 2)] + [(4, 4, 4, 4)] * 10,
            "u": [(4, 0, 0, 0)] * 21,
        }.items()
        for i, row in enumerate(history(test, counts))
    ]
    builds = history("t", [(1, 0, 0, 0)] * 42 + [(1, 1, 1, 1)] * 42)
    asked = []

    def query(sql):
        asked.append(sql)
        return pa.Table.from_pylist(days if "fct_test_days" in sql else builds)

    rows = segments(query).to_pylist()
    assert [(r["test_id"], r["segment"], r["runs"], r["failures"]) for r in rows] == [
        ("t", 1, 42, 0),
        ("t", 2, 84, 84),
        ("u", 1, 84, 0),
    ]
    assert "in ('t')" in asked[1]


def test_builds_are_not_read_where_nothing_changed():
    asked = []
    segments(lambda sql: asked.append(sql) or pa.Table.from_pylist(history("t", [(1, 0, 0, 0)] * 9)))
    assert len(asked) == 1


def test_no_history_has_no_segments():
    empty = pa.Table.from_pylist(history("t", [(1, 0, 0, 0)])).slice(0, 0)
    assert segmented(empty).schema == SCHEMA
    assert segments(lambda _: empty).num_rows == 0
    one = segmented(pa.Table.from_pylist(history("t", [(1, 1, 0, 0)])))
    assert placed(one, one).to_pylist() == one.to_pylist()
    assert one.num_rows == 1
