"""Device utilisation against a union of intervals computed without SQL."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

DAY_MS = 86_400_000


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime.fromisoformat("1970-01-01")) // timedelta(milliseconds=1)


def _busy_milliseconds(intervals: list[tuple[int, int]]) -> int:
    """Length of the union: every elementary interval between two edges that any session covers."""
    edges = sorted({edge for interval in intervals for edge in interval})
    return sum(
        right - left
        for left, right in pairwise(edges)
        if any(start <= left and right <= end for start, end in intervals)
    )


def test_busy_seconds_are_the_union_of_sessions_to_the_millisecond(rows):
    sessions: dict[tuple[str, str, int], list[tuple[int, int]]] = defaultdict(list)
    for connection, device, started, ended in rows(
        "select connection, device_id, started_at, ended_at from core.fct_device_sessions where not is_flagged"
    ):
        start, end = _milliseconds(started), _milliseconds(ended)
        for day in range(start // DAY_MS, max(start, end - 1) // DAY_MS + 1):
            sessions[connection, device, day].append((max(start, day * DAY_MS), min(end, (day + 1) * DAY_MS)))

    measured = rows(
        "select connection, device_id, date, busy_seconds, sessions - flagged_sessions, overlap_factor "
        "from marts.device_utilization_daily"
    )
    assert len(measured) > 40
    for connection, device, day, busy_seconds, count, overlap in measured:
        intervals = sessions.pop((connection, device, (day - date(1970, 1, 1)).days), [])
        busy = _busy_milliseconds(intervals)
        assert (connection, device, day, busy_seconds, count) == (
            connection,
            device,
            day,
            busy / 1000,
            len(intervals),
        )
        if busy:
            assert overlap == pytest.approx(sum(end - start for start, end in intervals) / busy, rel=1e-12)
        else:
            assert overlap is None
    assert not sessions


def test_every_day_of_the_hand_written_devices(rows):
    day = [date(2026, 3, number) for number in range(7, 11)]
    measured = rows(
        """
        select device_id, date, busy_seconds, idle_seconds, observed_seconds, sessions, flagged_sessions, test_runs, failures
        from marts.device_utilization_daily where connection = 'acme' order by device_id, date
        """
    )
    so_far = 43_500.0
    assert measured == [
        ("aaa111", day[1], 660.0, 85_740.0, 86_400.0, 3, 0, 2, 1),
        ("aaa111", day[2], 2_700.0, 83_700.0, 86_400.0, 5, 2, 4, 1),
        ("aaa111", day[3], 0.001, 43_499.999, so_far, 1, 0, 1, 0),
        ("bbb222", day[0], 14_400.0, 72_000.0, 86_400.0, 1, 0, 1, 0),
        ("bbb222", day[1], 86_400.0, 0.0, 86_400.0, 1, 0, 0, 0),
        ("bbb222", day[2], 86_400.0, 0.0, 86_400.0, 1, 0, 0, 0),
        ("bbb222", day[3], 33_000.0, 10_500.0, so_far, 2, 0, 1, 0),
        ("ccc333", day[1], 3_600.0, 82_800.0, 86_400.0, 1, 0, 1, 0),
        ("ccc333", day[2], 360.0, 86_040.0, 86_400.0, 2, 0, 2, 2),
        ("ddd444", day[2], 0.0, 86_400.0, 86_400.0, 1, 1, 1, 0),
    ]


def test_double_booking_shows_as_overlap(rows):
    (overlap,) = rows(
        "select overlap_factor from marts.device_utilization_daily "
        "where connection = 'acme' and device_id = 'aaa111' and date = '2026-03-08'"
    )[0]
    assert overlap == pytest.approx((30.25 + 50 + 600) / 660)


def test_a_day_is_described_as_the_device_was_at_its_end(rows):
    assert rows(
        "select date, os, model, location from marts.device_utilization_daily "
        "where connection = 'acme' and device_id = 'ccc333' order by date"
    ) == [
        (date(2026, 3, 8), "IOS", "Galaxy S24", "US-BOS"),
        (date(2026, 3, 9), "IOS", "Galaxy S24", "US-BOS"),
    ]


def test_days_between_two_sightings_are_idle(build, rows):
    assert (
        rows(
            """
        select count(*) = date_diff('day', min(date), max(date)) + 1
        from marts.device_utilization_daily group by connection, device_id having count(*) > 1
        """
        )
        == [(True,)] * 9
    )
