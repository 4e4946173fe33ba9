"""Late by data, gaps between rounds, what vanished: at a fixed moment, each with what to do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.defs.sources.perfecto_lab.contract import DEVICES
from pipelines.defs.sources.perfecto_reporting.contract import TEST_EXECUTIONS
from pipelines.lib import lateness
from pipelines.lib.ingest_partitions import ONLY_CHANGES
from tests.orchestration.told_landings import day_landed, looked, tell

NOW = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)
REPORTING = ("perfecto_reporting", "test_executions")
ROUNDS = ("perfecto_lab", "devices")
HOURLY = timedelta(hours=1)


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def late(lake: Path, table=TEST_EXECUTIONS, names: tuple[str, ...] = ("acme",)) -> list[str]:
    return [str(finding) for finding in lateness.late(lake, table, dict.fromkeys(names, HOURLY), NOW)]


def test_a_day_read_within_three_hours_is_not_late_and_one_read_before_is(tmp_path: Path) -> None:
    tell(tmp_path, "acme", day_landed(*REPORTING, NOW.date(), ago(hours=2, minutes=59)))
    tell(tmp_path, "beta", day_landed(*REPORTING, NOW.date(), ago(hours=3, minutes=1)))
    assert late(tmp_path, names=("acme", "beta")) == [
        "beta: nothing is known after 2026-03-11 08:59 UTC, and nobody asked. Is the daemon running, is the sensor on, "
        "is the queue of runs long? `flakehouse ingest` and `flakehouse snapshot` read it by hand"
    ]


@pytest.mark.parametrize(("every", "minutes", "is_late"), [(10, 29, False), (10, 31, True), (1, 14, False), (1, 16, True)])  # fmt: skip
def test_days_are_late_after_three_of_the_intervals_that_their_connection_sets(
    tmp_path: Path, every: int, minutes: int, is_late: bool
) -> None:
    tell(tmp_path, "acme", day_landed(*REPORTING, NOW.date(), ago(minutes=minutes)))
    found = lateness.late(tmp_path, TEST_EXECUTIONS, {"acme": timedelta(minutes=every)}, NOW)
    assert bool(found) is is_late


@pytest.mark.parametrize(
    ("day", "facts"),
    [(date(2026, 3, 1), {}), (NOW.date(), {"note": ONLY_CHANGES}), (NOW.date(), {"error": "acme: 503"})],
    ids=["a backfill of an old day", "changes that came along", "an attempt that failed"],
)
def test_what_tells_nothing_of_now_makes_nothing_fresher(tmp_path: Path, day: date, facts: dict) -> None:
    tell(tmp_path, "acme", day_landed(*REPORTING, NOW.date(), ago(hours=9)))
    tell(tmp_path, "acme", day_landed(*REPORTING, day, ago(minutes=5), **facts))
    (line,) = late(tmp_path)
    assert line.startswith("acme: nothing is known after 2026-03-11 03:00 UTC")
    assert ("the last attempt failed: acme: 503. `flakehouse doctor`" in line) is ("error" in facts)


def test_yesterday_read_after_midnight_is_known_until_midnight_only(tmp_path: Path) -> None:
    tell(tmp_path, "acme", day_landed(*REPORTING, date(2026, 3, 10), ago(minutes=5)))
    assert "after 2026-03-11 00:00 UTC" in late(tmp_path)[0]


def test_a_connection_that_was_never_read_is_late_and_a_table_that_it_has_no_address_for_is_not(
    tmp_path: Path,
) -> None:
    note = "services_url is not set: nobody was asked"
    tell(tmp_path, "beta", looked(*ROUNDS, ago(hours=9), note=note), interval_seconds=300)
    assert [line.partition(",")[0] for line in late(tmp_path, DEVICES, ("acme", "beta"))] == [
        "acme: was never read"
    ]


@pytest.mark.parametrize(("interval", "minutes", "is_late"), [(300, 15, False), (300, 16, True), (1800, 89, False), (1800, 91, True)])  # fmt: skip
def test_rounds_are_late_after_three_intervals(
    tmp_path: Path, interval: int, minutes: int, is_late: bool
) -> None:
    tell(tmp_path, "acme", looked(*ROUNDS, ago(minutes=minutes)), interval_seconds=interval)
    assert bool(late(tmp_path, DEVICES)) is is_late


def test_a_gap_is_a_time_of_more_than_two_intervals_between_rounds_that_were_made(tmp_path: Path) -> None:
    made = [ago(minutes=minutes) for minutes in (120, 115, 110, 70, 65, 55, 50)]
    tell(tmp_path, "acme", *[looked(*ROUNDS, at) for at in made], interval_seconds=300)
    tell(tmp_path, "acme", looked(*ROUNDS, ago(minutes=90), error="503"), interval_seconds=300)
    tell(tmp_path, "acme", looked("perfecto_live", "executions", ago(minutes=90)), interval_seconds=300)
    assert [str(gap) for gap in lateness.gaps(tmp_path, DEVICES, NOW)] == [
        "acme: no round from 2026-03-11 10:10 UTC to 2026-03-11 10:50 UTC; that time stays unobserved. "
        "The runs tagged flakehouse/cadence=snapshot/acme say why"
    ]


def test_a_device_that_no_round_lists_for_an_hour_has_vanished_and_a_weeks_old_one_is_no_news(
    tmp_path: Path,
) -> None:
    seen = {"a": 0, "b": 50, "c": 70, "d": 60 * 24 * 6, "e": 60 * 24 * 8}
    by_day: dict[date, list[dict]] = {}
    for device, minutes in seen.items():
        at = ago(minutes=minutes)
        by_day.setdefault(at.date(), []).append({DEVICES.key[0]: device, "_fetched_at": at})
    for day, records in by_day.items():
        file = tmp_path / "perfecto_lab" / "devices" / "connection=acme" / f"dt={day}" / "1.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(records, DEVICES.schema), file)
    lines = [str(thing) for thing in lateness.gone(tmp_path, DEVICES)]
    assert [line.partition(" was")[0] for line in lines] == ["acme: c", "acme: d"]
    assert "was last listed at 2026-03-11 10:50 UTC. Ask whoever keeps the lab" in lines[0]


def test_of_an_empty_lake_nothing_is_told_but_that_it_was_never_read(tmp_path: Path) -> None:
    assert lateness.gaps(tmp_path, DEVICES, NOW) == []
    assert lateness.gone(tmp_path, DEVICES) == []
    assert len(late(tmp_path)) == 1
