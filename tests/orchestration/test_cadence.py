"""What is due at a fixed moment: a new day, a late one, after a failure, a missed night, a restart, a changed clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from pipelines.orchestration.cadence import Asked, Builds, build_is_due, due_days, slot, sweep, tick

NOON = datetime(2026, 3, 11, 12, 20, tzinfo=UTC)  # a Wednesday
TODAY = NOON.date()
HOUR = timedelta(hours=1)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def read_hourly(until: datetime) -> dict[date, Asked]:
    """Every day as an undisturbed cadence leaves it: asked for at each hour until its look-back was over."""
    asked = {}
    for age in range(40):
        day = until.date() - timedelta(days=age)
        settled = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=3, seconds=20)
        last = min(tick(until) + timedelta(seconds=20), settled)
        asked[day] = Asked(max(last, sweep(until) + timedelta(seconds=20)))
    return asked


def test_within_the_hour_nothing_is_due_twice() -> None:
    assert due_days(NOON, read_hourly(NOON)) == []


def test_every_hour_today_and_the_two_days_before_are_due_newest_first() -> None:
    assert due_days(NOON + HOUR, read_hourly(NOON)) == [ago(0), ago(1), ago(2)]


def test_a_new_day_is_due_at_its_first_moment_and_the_one_that_leaves_the_look_back_once_more() -> None:
    midnight = datetime(2026, 3, 12, 0, 0, 5, tzinfo=UTC)
    due = due_days(midnight, read_hourly(midnight - timedelta(minutes=10)))
    assert due == [date(2026, 3, day) for day in (12, 11, 10, 9)]
    assert due_days(midnight + HOUR, read_hourly(midnight)) == [date(2026, 3, day) for day in (12, 11, 10)]


def test_a_late_partition_is_due_as_long_as_its_source_is_still_preparing_it() -> None:
    asked = read_hourly(NOON)
    asked[ago(9)] = Asked(asked[ago(9)].at, is_due_again=True)
    assert due_days(NOON, asked) == [ago(9)]
    asked[ago(9)] = Asked(NOON, is_due_again=True)
    assert due_days(NOON, asked) == []
    assert ago(9) in due_days(NOON + HOUR, asked)


def test_after_a_missed_night_every_day_that_was_not_read_to_its_end_is_due() -> None:
    morning = datetime(2026, 3, 14, 23, 30, tzinfo=UTC)
    due = due_days(morning, read_hourly(morning - timedelta(hours=30)))
    assert due == [morning.date() - timedelta(days=age) for age in range(4)]
    due = due_days(morning, read_hourly(morning - timedelta(days=5)))
    assert due == [morning.date() - timedelta(days=age) for age in range(8)]


def test_after_a_missed_sweep_thirty_days_are_due() -> None:
    assert len(due_days(NOON, read_hourly(NOON - timedelta(days=5)))) == 31


def test_a_day_whose_reading_failed_stays_due_at_every_hour_and_others_are_left_alone() -> None:
    asked = read_hourly(NOON)
    asked[ago(5)] = Asked(datetime(2026, 3, 6, 20, tzinfo=UTC))
    for hours in range(3):
        assert [day for day in due_days(NOON + hours * HOUR, asked) if day < ago(2)] == [ago(5)]


def test_of_a_connection_that_was_never_read_thirty_days_are_due() -> None:
    assert due_days(NOON, {}) == [ago(age) for age in range(31)]


def test_once_a_week_every_day_is_due_until_it_was_read() -> None:
    before, after = (datetime(2026, 3, 15, hour, 1, tzinfo=UTC) for hour in (2, 3))  # a Sunday
    assert len(due_days(before, read_hourly(before - HOUR))) == 3
    assert len(due_days(after, read_hourly(before))) == 31
    half = read_hourly(before) | {day: Asked(after) for day in due_days(after, read_hourly(before))[:20]}
    assert len(due_days(after + timedelta(minutes=30), half)) == 11
    assert len(due_days(after + 2 * HOUR, read_hourly(after))) == 3


@pytest.mark.parametrize("hours", [1, 25])
def test_a_clock_that_was_put_forward_makes_due_what_its_time_says(hours: int) -> None:
    now = NOON + timedelta(hours=hours)
    due = due_days(now, read_hourly(NOON))
    assert set(due) >= {now.date() - timedelta(days=age) for age in range(3)}


def test_the_hour_and_the_week_are_those_of_utc_in_every_time_zone() -> None:
    there = NOON.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert tick(there) == datetime(2026, 3, 11, 12, tzinfo=UTC)
    assert sweep(there) == datetime(2026, 3, 8, 3, tzinfo=UTC)
    assert sweep(datetime(2026, 3, 8, 3, tzinfo=UTC)) == datetime(2026, 3, 8, 3, tzinfo=UTC)
    assert sweep(datetime(2026, 3, 8, 2, 59, tzinfo=UTC)) == datetime(2026, 3, 1, 3, tzinfo=UTC)


def test_a_connection_may_be_read_more_often_or_less() -> None:
    read = {ago(age): Asked(NOON) for age in range(31)}
    due = [ago(0), ago(1), ago(2)]
    assert due_days(NOON + timedelta(minutes=4), read, timedelta(minutes=5)) == []
    assert due_days(NOON + timedelta(minutes=5), read, timedelta(minutes=5)) == due
    assert due_days(NOON + 3 * HOUR, read, 6 * HOUR) == []
    assert due_days(NOON + 6 * HOUR, read, 6 * HOUR) == due


def test_rounds_are_as_many_as_the_day_has_intervals() -> None:
    seconds = (NOON + timedelta(seconds=15 * n) for n in range(4 * 60 * 24))
    assert len({slot(moment, 5) for moment in seconds}) == 288


# --- builds ----------------------------------------------------------------------------------------------------

EVERY = timedelta(minutes=60)


def minutes_ago(minutes: float) -> datetime:
    return NOON - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("is_due", "builds"),
    [
        pytest.param(False, Builds(), id="nothing was ever read"),
        pytest.param(True, Builds(changed_at=minutes_ago(1)), id="the first rows"),
        pytest.param(
            False, Builds(changed_at=minutes_ago(1), is_reading=True), id="the first rows, more are coming"
        ),
        pytest.param(
            True,
            Builds(first_changed_at=minutes_ago(60), changed_at=minutes_ago(1), is_reading=True),
            id="they come for an hour",
        ),
        pytest.param(
            False, Builds(minutes_ago(90), minutes_ago(90), minutes_ago(100)), id="nothing has changed since"
        ),
        pytest.param(True, Builds(minutes_ago(90), minutes_ago(90), minutes_ago(80)), id="something has"),
        pytest.param(False, Builds(minutes_ago(59), minutes_ago(59), minutes_ago(1)), id="too early"),
        pytest.param(
            False,
            Builds(minutes_ago(60), minutes_ago(60), minutes_ago(1), is_reading=True),
            id="days are being read",
        ),
        pytest.param(
            True,
            Builds(minutes_ago(120), minutes_ago(120), minutes_ago(1), is_reading=True),
            id="days are being read all the time",
        ),
        pytest.param(
            False, Builds(minutes_ago(90), minutes_ago(190), minutes_ago(1), is_building=True), id="under way"
        ),
        pytest.param(
            False, Builds(minutes_ago(30), minutes_ago(200), minutes_ago(100)), id="the last one failed just now"
        ),
        pytest.param(
            True, Builds(minutes_ago(60), minutes_ago(200), minutes_ago(100)), id="the last one failed: again"
        ),
        pytest.param(
            True, Builds(minutes_ago(-600), minutes_ago(-600), minutes_ago(1)), id="the clock was put back"
        ),
    ],
)  # fmt: skip
def test_a_build_is_due_once_something_changed_and_not_too_often(is_due: bool, builds: Builds) -> None:
    assert build_is_due(NOON, builds, EVERY) is is_due
