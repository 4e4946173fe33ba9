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
    said = "the last attempt, 2026-03-11 11:55 UTC, failed: acme: 503. `flakehouse doctor` asks it now"
    assert (said in line) is ("error" in facts)


def test_a_failure_before_the_last_success_is_not_why_nothing_is_known_since(tmp_path: Path) -> None:
    tell(tmp_path, "acme", day_landed(*REPORTING, ago(days=3).date(), ago(days=3), error="503"))
    tell(tmp_path, "acme", day_landed(*REPORTING, NOW.date(), ago(hours=5)))
    tell(tmp_path, "acme", day_landed(*REPORTING, ago(days=1).date(), ago(hours=4), error="503"))
    (line,) = late(tmp_path)
    assert line.startswith(
        "acme: nothing is known after 2026-03-11 07:00 UTC, and nobody asked. Is the daemon"
    )


def test_a_day_that_fails_is_named_although_older_days_were_read_since(tmp_path: Path) -> None:
    tell(tmp_path, "acme", day_landed(*REPORTING, NOW.date(), ago(hours=5)))
    tell(tmp_path, "acme", day_landed(*REPORTING, NOW.date(), ago(hours=2), error="502"))
    tell(tmp_path, "acme", day_landed(*REPORTING, NOW.date(), ago(hours=1), error="503"))
    tell(tmp_path, "acme", day_landed(*REPORTING, NOW.date(), ago(minutes=59), note=ONLY_CHANGES))
    tell(tmp_path, "acme", day_landed(*REPORTING, date(2026, 3, 1), ago(minutes=58)))
    (line,) = late(tmp_path)
    assert "the last attempt, 2026-03-11 11:00 UTC, failed: 503." in line


def test_what_has_failed_for_weeks_is_still_the_same_finding(tmp_path: Path) -> None:
    failed_since = ago(days=5)
    tell(tmp_path, "acme", day_landed(*REPORTING, failed_since.date(), failed_since))
    for days in (0, 20):
        at = NOW + timedelta(days=days)
        tell(tmp_path, "acme", day_landed(*REPORTING, at.date(), at - timedelta(hours=1), error="acme: 503"))
        (finding,) = lateness.late(tmp_path, TEST_EXECUTIONS, {"acme": HOURLY}, at)
        assert finding.key == f"acme {failed_since}"
        assert str(finding).startswith(
            "acme: nothing is known after 2026-03-06 12:00 UTC; the last attempt, "
        )


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


def listed(lake: Path, connection: str = "acme", **minutes_ago: float) -> None:
    """Devices, and how long ago a round last listed each."""
    for device, minutes in minutes_ago.items():
        at = ago(minutes=minutes)
        folder = lake / "perfecto_lab" / "devices" / f"connection={connection}" / f"dt={at.date()}"
        folder.mkdir(parents=True, exist_ok=True)
        record = {DEVICES.key[0]: device, "_fetched_at": at}
        pq.write_table(pa.Table.from_pylist([record], DEVICES.schema), folder / f"{device}.parquet")


def gone(lake: Path) -> list[str]:
    return [str(thing) for thing in lateness.gone(lake, DEVICES, NOW)]


def test_a_device_that_no_round_lists_for_an_hour_has_vanished_and_a_weeks_old_one_is_no_news(
    tmp_path: Path,
) -> None:
    listed(tmp_path, a=0, b=50, c=70, d=60 * 24 * 6, e=60 * 24 * 8)
    tell(tmp_path, "acme", looked(*ROUNDS, NOW))
    lines = gone(tmp_path)
    assert [line.partition(" was")[0] for line in lines] == ["acme: c", "acme: d"]
    assert "was last listed at 2026-03-11 10:50 UTC. Ask whoever keeps the lab" in lines[0]


def test_a_lab_that_vanishes_as_a_whole_is_one_finding_and_stays_the_same_one(tmp_path: Path) -> None:
    listed(tmp_path, "acme", a=90, b=90, c=89, d=60 * 24)
    listed(tmp_path, "beta", a=1, b=1)
    tell(tmp_path, "beta", looked(*ROUNDS, ago(minutes=1)))
    keys = set()
    for minutes in (25, 5):
        tell(tmp_path, "acme", looked(*ROUNDS, ago(minutes=minutes), rows=0))
        found = lateness.gone(tmp_path, DEVICES, NOW)
        keys.add(tuple(finding.key for finding in found))
        assert [str(finding).partition(" UTC")[0] for finding in found] == [
            "acme: all 3 devices vanished after 2026-03-11 10:31",
            "acme: d was last listed at 2026-03-10 12:00",
        ]
    assert len(keys) == 1
    assert "Check the rights of the connection's token" in gone(tmp_path)[0]


def test_the_only_device_of_a_lab_is_named(tmp_path: Path) -> None:
    listed(tmp_path, a=90)
    tell(tmp_path, "acme", looked(*ROUNDS, NOW, rows=0))
    assert [line.partition(" was")[0] for line in gone(tmp_path)] == ["acme: a"]


@pytest.mark.parametrize(
    "facts",
    [
        {"error": "503"},
        {"is_complete": False},
        {"rejected": 2},
    ],
    ids=["failed", "told a part", "kept nothing"],
)
def test_a_round_that_tells_nothing_of_what_is_gone_is_no_reason_to_miss_it(
    tmp_path: Path, facts: dict
) -> None:
    listed(tmp_path, a=90, b=90)
    tell(tmp_path, "acme", looked(*ROUNDS, ago(minutes=90)), looked(*ROUNDS, NOW, **{"rows": 0, **facts}))
    assert gone(tmp_path) == []


def test_a_round_of_which_a_record_was_refused_still_tells_what_is_gone(tmp_path: Path) -> None:
    listed(tmp_path, a=0, b=90)
    tell(tmp_path, "acme", looked(*ROUNDS, NOW, rows=1, rejected=1))
    assert [line.partition(" was")[0] for line in gone(tmp_path)] == ["acme: b"]


def test_of_an_empty_lake_nothing_is_told_but_that_it_was_never_read(tmp_path: Path) -> None:
    assert lateness.gaps(tmp_path, DEVICES, NOW) == []
    assert gone(tmp_path) == []
    assert len(late(tmp_path)) == 1
