"""When what is read and built is due: rules over times that were handed in, so that any moment can be tested.

Nothing is due because a timer rang, only because the lake lacks it: a restart, a missed night or a clock that was put
forward or back need no rule of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pipelines.settings import SWEPT_DAYS

LOOK_BACK = timedelta(days=2)
"""After a day's end. Late rows and re-assigned reasons come within days; what comes later, the sweep finds."""

_SWEEP_WEEKDAY, _SWEEP_HOUR = 6, 3  # Sunday, 03:00 UTC
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SKEW = timedelta(minutes=5)
"""A time further ahead than this was written by a clock that has been put back since."""


@dataclass(frozen=True)
class Asked:
    """When a day was last asked for with success, and whether the source was still preparing what it told."""

    at: datetime
    is_due_again: bool = False


HOURLY = timedelta(hours=1)


def tick(now: datetime, every: timedelta = HOURLY) -> datetime:
    """When days were last to be read: the last full hour, or the last full interval, counted from 1970."""
    return now.astimezone(UTC) - (now - _EPOCH) % every


def sweep(now: datetime) -> datetime:
    """When the last weekly sweep was due."""
    hour = tick(now)
    day = hour.replace(hour=_SWEEP_HOUR) - timedelta(days=(hour.weekday() - _SWEEP_WEEKDAY) % 7)
    return day if day <= hour else day - timedelta(days=7)


def due_days(now: datetime, asked: Mapping[date, Asked], every: timedelta = HOURLY) -> list[date]:
    """Days of a source and connection that are to be read in this interval, the newest first.

    Each day is asked for in every interval until its look-back is over, and once after that; every day of the last 30
    at least once a week; and in every interval while the source is still preparing it.
    """
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=age) for age in range(SWEPT_DAYS + 1)]
    return [day for day in days if _is_due(day, asked.get(day), tick(now, every), sweep(now))]


def _is_due(day: date, last: Asked | None, since: datetime, swept: datetime) -> bool:
    return last is None or is_missing(day, last, since) or last.at < swept


def is_missing(day: date, last: Asked | None, since: datetime) -> bool:
    """Whether the lake lacks something of the day: it was never asked for; or not since then, though its look-back was
    not over, or its source still preparing it.
    """
    if last is None:
        return True
    settled = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1) + LOOK_BACK
    return last.at < (since if last.is_due_again else min(since, settled))


def may_be_tried_again(now: datetime, began_at: datetime | None) -> bool:
    """What is written once a day and failed, or got lost, is tried once an hour."""
    return began_at is None or now - began_at >= HOURLY or began_at > now + SKEW


def slot(now: datetime, every_minutes: int) -> int:
    """The round of observations that a moment belongs to, counted from 1970: the same whatever the time zone."""
    return int(now.timestamp() // (60 * every_minutes))


@dataclass(frozen=True)
class Builds:
    """What is known of the builds so far, and of what they would read."""

    started_at: datetime | None = None  # the last one, however it ended
    succeeded_at: datetime | None = None  # the start of the last one that was published
    changed_at: datetime | None = None  # when the lake last changed
    is_building: bool = False
    is_reading: bool = False  # days are waiting to be read, or being read
    first_changed_at: datetime | None = None  # when the lake began to change


def build_is_due(now: datetime, builds: Builds, every: timedelta) -> bool:
    """Once something changed since the last good build, and no more often than `every`.

    While days are being read the build waits for them, but no longer than that again.
    """
    if builds.is_building or builds.changed_at is None:
        return False
    is_believable = builds.succeeded_at is not None and builds.succeeded_at <= now + SKEW
    if is_believable and builds.changed_at < builds.succeeded_at:
        return False
    since = now - (builds.started_at or builds.first_changed_at or builds.changed_at)
    if since < timedelta(0):
        return True
    if builds.is_reading:
        return since >= (2 * every if builds.started_at else every)
    return builds.started_at is None or since >= every
