"""Segments of a test's history: stretches of days between which its failure rate changed.

The form is LUCI Analysis's. The verdicts of a stretch are draws from one unknown rate with a beta prior; a stretch is
split where two rates explain it better than one by more than the prior odds of a change. Two rates count, and their
evidence is added: of verdicts with a failure, and of verdicts that were tried again and failed on every attempt.
A part is split again, until no part can be.

All tests are worked on at once, level by level: the work grows with the positions, not with the tests. Days are the
positions for all tests; the few in which something changed are cut again at builds, which place a change to the hour.

The caller lends `segments` a way to query the build after `core.fct_test_days`, and writes the result to
`<derived>/test_segments/*.parquet`, where dbt's source `derived.test_segments` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import gammaln

HISTORY_DAYS = 90  # a window of 30 days, and enough before it to know what changed

# Of verdicts with a failure; and of those that were tried again, the ones that failed throughout. LUCI's own.
PRIOR_FAILING, PRIOR_FAILED_AGAIN = (0.3, 0.5), (0.5, 0.5)
CHANGE_ODDS = 1e-4
TAIL = 0.005  # of the probability left out on either side of the range in which a change lies

DAYS_QUERY = f"""
    select
        days.test_id, cast(days.date as string) as position, days.first_run_at, days.last_run_at, days.runs, days.failures,
        days.verdicts, days.failing_verdicts, days.repeated_verdicts, days.failed_repeated_verdicts
    from core.fct_test_days as days
    inner join core.dim_connections as connections
        on days.source_name = connections.source_name and days.connection = connections.connection
    where days.date > connections.last_run_date - {HISTORY_DAYS}
"""  # noqa: S608


def builds_query(tests: Iterable[str]) -> str:
    """The same of each build of these tests, of which there is at least one. Test ids are hexadecimal."""
    quoted = ", ".join(f"'{test}'" for test in tests)
    return f"""
        with verdicts as (
            select
                runs.test_id, runs.build_key, min(runs.ordered_at) as first_run_at, max(runs.ordered_at) as last_run_at,
                count(*) as attempts, count(case when runs.is_failure then 1 end) as failures
            from core.fct_counted_runs as runs
            inner join core.dim_connections as connections
                on runs.source_name = connections.source_name and runs.connection = connections.connection
            where runs.started_date > connections.last_run_date - {HISTORY_DAYS} and runs.test_id in ({quoted})
            group by runs.test_id, runs.build_key, runs.variant_id
        )

        select
            test_id, build_key as position, min(first_run_at) as first_run_at, max(last_run_at) as last_run_at,
            cast(sum(attempts) as bigint) as runs, cast(sum(failures) as bigint) as failures, count(*) as verdicts,
            count(case when failures > 0 then 1 end) as failing_verdicts,
            count(case when failures > 0 and attempts > 1 then 1 end) as repeated_verdicts,
            count(case when failures = attempts and attempts > 1 then 1 end) as failed_repeated_verdicts
        from verdicts
        group by test_id, build_key
    """  # noqa: S608


_COUNTS = (
    "verdicts",
    "failing_verdicts",
    "repeated_verdicts",
    "failed_repeated_verdicts",
    "runs",
    "failures",
)

SCHEMA = pa.schema(
    [
        ("test_id", pa.string()),
        ("segment", pa.int64()),
        ("is_last", pa.bool_()),
        ("started_at", pa.timestamp("us")),
        ("ended_at", pa.timestamp("us")),
        ("runs", pa.int64()),
        ("failures", pa.int64()),
        ("changed_after", pa.timestamp("us")),
        ("changed_before", pa.timestamp("us")),
    ]
)


def segments(query: Callable[[str], pa.Table]) -> pa.Table:
    """Segments of every test, as `SCHEMA`; `query` answers SQL on the build."""
    found = segmented(query(DAYS_QUERY))
    changed = found.filter(pc.field("segment") == 2)["test_id"].to_pylist()
    return placed(found, segmented(query(builds_query(changed)))) if changed else found


def segmented(positions: pa.Table) -> pa.Table:
    """Segments of each test's days or builds, in any order, as `SCHEMA`, ordered by test and segment.

    A segment begins with a change, except a test's first: the change lies between `changed_after`, the start of the
    last position that may be of the segment before, and `changed_before`, the end of the first that must be of this one.
    """
    if not positions.num_rows:
        return SCHEMA.empty_table()
    positions = positions.sort_by([(name, "ascending") for name in ("test_id", "first_run_at", "position")])
    history = _History.of(positions)
    tests = np.asarray(pc.not_equal(positions["test_id"][1:], positions["test_id"][:-1]), dtype=bool)
    firsts = np.concatenate([[0], np.flatnonzero(tests) + 1])
    starts = _split(history, firsts, np.append(firsts[1:], positions.num_rows))
    ends = np.append(starts[1:], positions.num_rows)
    is_first = np.isin(starts, firsts)
    earliest, latest = _ranges(history, starts, ends, is_first)
    rows = np.arange(len(starts))
    columns = [
        positions["test_id"].take(starts),
        rows - np.maximum.accumulate(np.where(is_first, rows, 0)) + 1,
        np.append(is_first[1:], True),
        positions["first_run_at"].take(starts),
        positions["last_run_at"].take(ends - 1),
        history.total("runs", starts, ends),
        history.total("failures", starts, ends),
        _unless(is_first, positions["first_run_at"].take(np.maximum(earliest - 1, 0))),
        _unless(is_first, positions["last_run_at"].take(latest)),
    ]
    return pa.Table.from_arrays(
        [_column(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def placed(found: pa.Table, closer: pa.Table) -> pa.Table:
    """The segments, with those of every test in `closer` replaced by these."""
    is_replaced = pc.is_in(found["test_id"], value_set=closer["test_id"].combine_chunks())
    others = found.filter(pc.invert(is_replaced))
    return pa.concat_tables([others, closer]).sort_by([("test_id", "ascending"), ("segment", "ascending")])


@dataclass(frozen=True)
class _History:
    """Running sums over the positions, so that any stretch's counts are one difference."""

    sums: dict[str, np.ndarray]

    @classmethod
    def of(cls, positions: pa.Table) -> _History:
        return cls(
            {
                name: np.concatenate([[0], np.cumsum(positions[name].to_numpy(), dtype=np.int64)])
                for name in _COUNTS
            }
        )

    def total(self, name: str, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        return self.sums[name][ends] - self.sums[name][starts]

    def evidence(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """The log likelihood that each stretch has one rate throughout, whatever it is."""
        return _log_likelihood(
            self.total("failing_verdicts", starts, ends), self.total("verdicts", starts, ends), PRIOR_FAILING
        ) + _log_likelihood(
            self.total("failed_repeated_verdicts", starts, ends),
            self.total("repeated_verdicts", starts, ends),
            PRIOR_FAILED_AGAIN,
        )


def _log_likelihood(failures: np.ndarray, count: np.ndarray, prior: tuple[float, float]) -> np.ndarray:
    a, b = prior
    return (
        gammaln(a + b)
        - gammaln(a)
        - gammaln(b)
        + gammaln(failures + a)
        + gammaln(count - failures + b)
        - gammaln(count + a + b)
    )


def _inner(starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every position but the first of each stretch: its stretch, its row, and where those of each stretch begin."""
    sizes = ends - starts - 1
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    stretch = np.repeat(np.arange(len(starts)), sizes)
    return stretch, starts[stretch] + 1 + np.arange(len(stretch)) - offsets[stretch], offsets


def _split(history: _History, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The first row of every segment, ascending."""
    found = [starts]
    while (several := ends - starts > 1).any():
        starts, ends = starts[several], ends[several]
        stretch, row, offsets = _inner(starts, ends)
        gains = np.round(  # equal gains must be equal to the last digit, for the earliest to be taken
            history.evidence(starts[stretch], row)
            + history.evidence(row, ends[stretch])
            - history.evidence(starts, ends)[stretch],
            6,
        )
        best = np.maximum.reduceat(gains, offsets)
        _, places = np.unique(np.where(gains == best[stretch], stretch, -1), return_index=True)
        split = row[places[-len(starts) :]]
        changed = best + np.log(CHANGE_ODDS) > 0
        found.append(split[changed])
        starts, ends = (
            np.concatenate([starts[changed], split[changed]]),
            np.concatenate([split[changed], ends[changed]]),
        )
    return np.sort(np.concatenate(found))


def _ranges(
    history: _History, starts: np.ndarray, ends: np.ndarray, is_first: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The first and last row with which each segment may have begun, 99% of the probability between them."""
    earliest, latest = starts.copy(), starts.copy()
    begun = np.flatnonzero(~is_first)
    if not len(begun):
        return earliest, latest
    lefts, rights = starts[begun - 1], ends[begun]
    stretch, row, offsets = _inner(lefts, rights)
    fit = history.evidence(lefts[stretch], row) + history.evidence(row, rights[stretch])
    weight = np.exp(fit - np.maximum.reduceat(fit, offsets)[stretch])
    running = np.cumsum(weight)
    before = (running - weight)[offsets]
    share = (running - before[stretch]) / np.add.reduceat(weight, offsets)[stretch]
    for rows, bound in ((earliest, TAIL), (latest, 1 - TAIL)):
        _, places = np.unique(np.where(share >= bound - 1e-12, stretch, -1), return_index=True)
        rows[begun] = row[places[-len(begun) :]]
    return earliest, latest


def _unless(mask: np.ndarray, values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pa.array(mask), pa.scalar(None, values.type), values)


def _column(values: np.ndarray | pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return (values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])).cast(kind)
