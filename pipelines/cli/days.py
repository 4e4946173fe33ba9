"""What `--start`, `--end` and `--as-of` mean: UTC days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from pipelines.cli.terminal import CommandError


def today() -> date:
    return datetime.now(UTC).date()


def parsed_day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} {text}: not a day; write it as {today()}") from None


def parsed_days(start: str, end: str) -> list[date]:
    """The days from start to end, both included, of which all can be partitions."""
    from pipelines.orchestration.partitions import FIRST_DAY

    first, last = parsed_day("--start", start), parsed_day("--end", end)
    if first > last:
        raise CommandError(f"--start {start} is after --end {end}")
    if first < FIRST_DAY:
        raise CommandError(f"--start {start}: the earliest day that can be read is {FIRST_DAY}")
    if last > today():
        raise CommandError(f"--end {end} is in the future: today is {today()} in UTC")
    return last_days((last - first).days + 1, last)


def last_days(count: int, last: date) -> list[date]:
    return [last - timedelta(days=n) for n in reversed(range(count))]


def ranges(days: Iterable[date]) -> str:
    """`2026-01-01 to 2026-01-03, 2026-01-05`."""
    found: list[list[date]] = []
    for day in sorted(days):
        if not found or day - found[-1][1] > timedelta(days=1):
            found.append([day, day])
        found[-1][1] = day
    return ", ".join(f"{first} to {last}" if first < last else str(first) for first, last in found)
