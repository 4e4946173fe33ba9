"""The lab's clock: real, or set to a start and running at a chosen speed, so that a past can be watched as if then."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

from simlab.lab_error import LabError

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class ClockError(LabError):
    """A clock that cannot be read: neither `real` nor `START[xSPEED]`."""


class Clock:
    """Milliseconds since 1970-01-01 UTC: of this machine, or from `start` on, `speed` times as fast (0: standing)."""

    def __init__(self, start: int | None = None, speed: float = 1.0) -> None:
        self._start = start
        self._speed = speed
        self._origin = time.monotonic()
        self._advanced = 0

    @property
    def is_standing(self) -> bool:
        """True when time only passes by `advance`."""
        return self._start is not None and self._speed == 0

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        if self._start is None:
            return time.time_ns() // 1_000_000 + self._advanced
        elapsed = (time.monotonic() - self._origin) * 1_000
        return self._start + round(elapsed * self._speed) + self._advanced

    def advance(self, milliseconds: int) -> None:
        """Let that much time pass at once."""
        self._advanced += milliseconds

    def __str__(self) -> str:
        if self._start is None:
            return "real"
        start = f"{datetime.fromtimestamp(self._start / SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
        return start if self._speed == 1 else f"{start}x{self._speed:g}"


def parse_clock(text: str) -> Clock:
    """`real`; `2026-03-01T00:00:00Z` runs from there; `...x60` sixty times as fast; `...x0` stands still.

    Raises ClockError for anything else.
    """
    if text == "real":
        return Clock()
    start_text, _, speed_text = text.partition("x")
    try:
        start = datetime.fromisoformat(start_text)
        speed = float(speed_text) if speed_text else 1.0
    except ValueError as error:
        raise ClockError(
            f"clock {text!r} is neither 'real' nor START[xSPEED], as in 2026-03-01T00:00:00Zx60"
        ) from error
    if speed < 0:
        raise ClockError(f"clock {text!r} would run backwards")
    if start.tzinfo is None:
        start = start.replace(tzinfo=UTC)
    return Clock(round(start.timestamp() * SECOND), speed)


def day_of(at: int) -> date:
    """The UTC day of a time in milliseconds."""
    return datetime.fromtimestamp(at // SECOND, UTC).date()


def start_of(day: date) -> int:
    """The first millisecond of a UTC day."""
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND


def iso(at: int) -> str:
    """`2012-02-02T15:05:06Z`: seconds precision, UTC."""
    return f"{datetime.fromtimestamp(at // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"


def iso_millis(at: int) -> str:
    """`2012-02-02T15:05:06.123Z`, without the fraction where it is zero, as java.time.Instant prints it."""
    return iso(at) if at % SECOND == 0 else f"{iso(at)[:-1]}.{at % SECOND:03d}Z"
