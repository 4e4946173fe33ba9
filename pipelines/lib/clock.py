"""The time of day, as a function that tests and the simulated lab put their own in place of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Tells the time, with its zone."""


def utc_now() -> datetime:
    """The machine's own."""
    return datetime.now(UTC)
