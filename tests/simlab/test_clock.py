"""The lab's clock."""

from __future__ import annotations

import time

import pytest

from simlab.clock import HOUR, ClockError, day_of, iso, iso_millis, parse_clock, start_of
from tests.simlab.tiny_world import at

START = at("2026-03-01 00:00")


def test_the_real_clock_is_this_machines() -> None:
    before, now, after = time.time_ns() // 1_000_000, parse_clock("real").now(), time.time_ns() // 1_000_000
    assert before <= now <= after


def test_a_clock_that_stands_moves_only_when_told() -> None:
    clock = parse_clock("2026-03-01T00:00:00Zx0")
    assert clock.now() == START
    time.sleep(0.01)
    assert clock.now() == START
    clock.advance(HOUR)
    assert clock.now() == START + HOUR
    assert clock.is_standing


@pytest.mark.parametrize(
    ("text", "speed"), [("2026-03-01T00:00:00Z", 1), ("2026-03-01T00:00:00Zx3600", 3600)]
)
def test_a_set_clock_runs_from_its_start_at_its_speed(text: str, speed: int) -> None:
    clock, began = parse_clock(text), time.monotonic()
    time.sleep(0.05)
    elapsed = clock.now() - START
    assert 0.05 * speed <= elapsed / 1_000 + 0.001 <= (time.monotonic() - began) * speed + 0.1 * speed
    assert str(clock) == text
    assert not clock.is_standing


def test_a_start_without_a_zone_is_utc() -> None:
    assert parse_clock("2026-03-01x0").now() == START


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-03-01Txfast", "2026-13-01", "2026-03-01T00:00:00Zx-1"]
)
def test_any_other_clock_is_refused_by_name(text: str) -> None:
    with pytest.raises(ClockError, match="clock"):
        parse_clock(text)


def test_days_and_times_are_utc() -> None:
    assert day_of(START - 1).isoformat() == "2026-02-28"
    assert start_of(day_of(START)) == START
    assert iso(START + 999) == "2026-03-01T00:00:00Z"
    assert iso_millis(START + 7) == "2026-03-01T00:00:00.007Z"
    assert iso_millis(START) == "2026-03-01T00:00:00Z"
