"""The days that report and notebooks speak of, as conditions of their queries."""

from __future__ import annotations

LAST_DAY = "(select max(date) from marts.recent_test_runs_daily)"
"""The last UTC day on which a test run began, of any connection. Every window of days ends with it, those of devices too,
which are looked at on days without tests: so all that stands on a page is of the same days, however old the lake is."""


def in_last(days: int, column: str = "date", last_day: str = LAST_DAY) -> str:
    """True of the last so many days; `last_day` is for who knows already which that is."""
    return f"{column} between {last_day} - {days - 1} and {last_day}"
