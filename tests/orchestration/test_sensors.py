"""What the sensors ask for at a fixed moment, with Dagster's storage and a lake as they would find them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.defs.upkeep import BUILD_JOB, cadence
from pipelines.defs.upkeep.housekeeping import every_hour
from pipelines.defs.upkeep.lateness import every_quarter_of_an_hour
from pipelines.lib.ingest_partitions import ONLY_CHANGES
from pipelines.settings import SettingsError
from tests.orchestration.told_landings import day_landed, hcl, looked, perfecto, tell

NOON = datetime(2026, 3, 11, 12, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
REPORTING = "perfecto_reporting"


@dataclass
class Site:
    """A home with connections and a lake, Dagster's storage, and a clock that is set."""

    patch: pytest.MonkeyPatch
    instance: dg.DagsterInstance
    home: Path

    @property
    def lake(self) -> Path:
        return self.home / "raw"

    def connect(self, *tables: str) -> None:
        (self.home / "connections.toml").write_text("".join(tables))

    def tick(
        self, sensor: dg.SensorDefinition, now: datetime, cursor: str | None = None
    ) -> tuple[list[dg.RunRequest], str | None]:
        """The runs that the sensor asks for, and its cursor afterwards."""
        self.patch.setattr(cadence, "utc_now", lambda: now)
        result = sensor(dg.build_sensor_context(instance=self.instance, cursor=cursor))
        if isinstance(result, dg.SkipReason):
            return [], cursor
        if isinstance(result, dg.RunRequest):
            return [result], cursor
        return list(result.run_requests or []), result.cursor

    def has_run(self, tags: dict[str, str], status: dg.DagsterRunStatus, name: str = "nothing") -> str:
        @dg.job(name=name)
        def nothing() -> None: ...

        return self.instance.create_run_for_job(nothing, status=status, tags=tags).run_id


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("FLAKEHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("FLAKEHOUSE_CONNECTIONS", str(tmp_path / "connections.toml"))
    monkeypatch.delenv("FLAKEHOUSE_LAKE", raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Site(monkeypatch, instance, tmp_path)


def connections(requests: list[dg.RunRequest]) -> list[str]:
    return sorted(str(request.partition_key) for request in requests)


def days(requests: list[dg.RunRequest], source: str = REPORTING) -> list[tuple[str, str]]:
    """(connection, day) of the requests of a source, in their order."""
    return [
        (key.keys_by_dimension["connection"], key.keys_by_dimension["day"])
        for request in requests
        if isinstance(key := request.partition_key, dg.MultiPartitionKey)
        and request.asset_selection[0].path[0] == source
    ]


# --- rounds ----------------------------------------------------------------------------------------------------


def test_each_connection_has_its_own_interval_and_one_run_for_all_its_tables(site: Site) -> None:
    site.connect(perfecto("acme", 5), perfecto("slow", 30))
    requests, cursor = site.tick(cadence.snapshots, NOON)
    assert connections(requests) == ["acme", "slow"]
    assert {key.path[0] for key in requests[0].asset_selection} == {"perfecto_lab", "perfecto_live"}
    assert site.tick(cadence.snapshots, NOON + timedelta(minutes=4), cursor)[0] == []
    requests, cursor = site.tick(cadence.snapshots, NOON + timedelta(minutes=5), cursor)
    assert connections(requests) == ["acme"]
    requests, cursor = site.tick(cadence.snapshots, NOON + timedelta(minutes=10), cursor)
    assert connections(requests) == ["acme", "slow"]


def test_an_hour_of_ticks_brings_every_round_and_each_once(site: Site) -> None:
    site.connect(perfecto("acme", 5))
    rounds, cursor = 0, None
    for number in range(80):
        requests, cursor = site.tick(cadence.snapshots, NOON + timedelta(seconds=45 * number), cursor)
        rounds += len(requests)
    assert rounds == 12


def test_after_a_missed_night_or_a_lost_cursor_there_is_one_round_as_the_past_cannot_be_asked_for(
    site: Site,
) -> None:
    site.connect(perfecto("acme"))
    _, cursor = site.tick(cadence.snapshots, NOON)
    for known in (cursor, None):
        assert connections(site.tick(cadence.snapshots, NOON + 14 * HOUR, known)[0]) == ["acme"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_changed_clock_stops_no_round(site: Site, hours: int) -> None:
    site.connect(perfecto("acme"))
    _, cursor = site.tick(cadence.snapshots, NOON)
    changed = NOON + timedelta(hours=hours, minutes=1)
    assert connections(site.tick(cadence.snapshots, changed, cursor)[0]) == ["acme"]


def test_a_round_that_has_not_ended_is_not_asked_for_again_and_holds_up_no_other(site: Site) -> None:
    site.connect(perfecto("acme"), hcl("ots"))
    run = site.has_run({cadence.TAG: "snapshot/acme"}, dg.DagsterRunStatus.STARTED)
    site.has_run({cadence.TAG: "snapshot/ots"}, dg.DagsterRunStatus.FAILURE)
    requests, cursor = site.tick(cadence.snapshots, NOON)
    assert connections(requests) == ["ots"]
    site.instance.report_run_failed(site.instance.get_run_by_id(run))
    late = NOON + timedelta(minutes=4)  # still the same interval: the round is made as soon as it can be
    assert connections(site.tick(cadence.snapshots, late, cursor)[0]) == ["acme"]


def test_a_connection_with_a_mistake_holds_up_no_other(site: Site) -> None:
    site.connect("[perfecto.acme]\ntoken = 't'\n", perfecto("beta"))
    for sensor in (cadence.snapshots, cadence.windows):
        requests, _ = site.tick(sensor, NOON)
        assert requests
        assert all(request.partition_key and "acme" not in request.partition_key for request in requests)


def test_a_connections_file_that_cannot_be_read_fails_the_tick(site: Site) -> None:
    site.connect("[perfecto\n")
    for sensor in (cadence.snapshots, cadence.windows):
        with pytest.raises(SettingsError, match="not valid TOML"):
            sensor(dg.build_sensor_context(instance=site.instance))


# --- days ------------------------------------------------------------------------------------------------------


def landed_days(
    site: Site, connection: str, at: datetime, ages: range, tables: tuple[str, ...], **facts
) -> None:
    rows = [
        day_landed(REPORTING, table, at.date() - timedelta(days=age), at, **facts)
        for age in ages
        for table in tables
    ]
    tell(site.lake, connection, *rows)


BOTH = ("test_executions", "commands")


def test_each_connection_is_asked_for_its_days_newest_first_and_once_an_hour(site: Site) -> None:
    site.connect(perfecto("acme"), perfecto("beta"))
    landed_days(site, "acme", NOON - HOUR, range(31), BOTH)
    requests, cursor = site.tick(cadence.windows, NOON)
    assert [day for name, day in days(requests) if name == "acme"] == [
        "2026-03-11",
        "2026-03-10",
        "2026-03-09",
    ]
    assert len([day for name, day in days(requests) if name == "beta"]) == cadence.MOST_WAITING
    priorities = [int(request.tags["dagster/priority"]) for request in requests]
    assert priorities[:3] == [5, 4, 3]
    assert {key.path[1] for key in requests[0].asset_selection} == {
        "test_executions",
        "platforms",
        "commands",
    }
    landed_days(site, "beta", NOON, range(31), BOTH)
    assert site.tick(cadence.windows, NOON + timedelta(minutes=39), cursor)[0] == []
    assert len(days(site.tick(cadence.windows, NOON + timedelta(minutes=40), cursor)[0])) == 3 + 3


def test_the_days_of_a_new_connection_are_asked_for_a_few_at_a_time_and_each_once_in_an_hour(
    site: Site,
) -> None:
    site.connect(perfecto("acme"))
    asked, cursor = [], None
    for minute in range(5):
        requests, cursor = site.tick(cadence.windows, NOON + timedelta(minutes=minute), cursor)
        assert len(requests) <= cadence.MOST_WAITING
        asked += days(requests)
    assert asked == [("acme", str(NOON.date() - timedelta(days=age))) for age in range(31)]
    again, _ = site.tick(cadence.windows, NOON + HOUR, cursor)
    assert days(again) == asked[: cadence.MOST_WAITING]  # none of them was read: all are due again


def test_no_more_days_are_asked_for_than_there_is_room_for_and_none_is_left_out(site: Site) -> None:
    site.connect(perfecto("acme"))
    waiting = [
        site.has_run({cadence.TAG: f"window/{REPORTING}/acme/2026-03-{day:02}"}, dg.DagsterRunStatus.STARTED)
        for day in range(1, 11)
    ]
    requests, cursor = site.tick(cadence.windows, NOON)
    assert days(requests) == [("acme", "2026-03-11"), ("acme", "2026-02-28")]
    for run in waiting:
        site.instance.report_run_failed(site.instance.get_run_by_id(run))
    requests, _ = site.tick(cadence.windows, NOON + timedelta(minutes=1), cursor)
    assert days(requests)[0] == ("acme", "2026-02-27")
    assert len(requests) == cadence.MOST_WAITING


def test_each_connection_has_its_own_interval_for_days_too(site: Site) -> None:
    site.connect(perfecto("acme"), perfecto("quick", read=5))
    for connection in ("acme", "quick"):
        landed_days(site, connection, NOON, range(31), BOTH)
    requests, cursor = site.tick(cadence.windows, NOON + timedelta(minutes=1))
    assert requests == []
    requests, cursor = site.tick(cadence.windows, NOON + timedelta(minutes=5), cursor)
    assert days(requests) == [("quick", f"2026-03-{day:02}") for day in (11, 10, 9)]
    assert site.tick(cadence.windows, NOON + timedelta(minutes=9), cursor)[0] == []
    requests, _ = site.tick(cadence.windows, NOON + timedelta(minutes=40), cursor)
    assert {name for name, _ in days(requests)} == {"acme", "quick"}


def test_a_day_whose_commands_failed_is_due_though_its_tests_came(site: Site) -> None:
    site.connect(perfecto("acme"))
    landed_days(site, "acme", NOON, range(31), BOTH[:1])
    landed_days(site, "acme", NOON, range(10), BOTH[1:])
    landed_days(site, "acme", NOON, range(10, 12), BOTH[1:], error="acme: 503")
    landed_days(site, "acme", NOON, range(12, 31), BOTH[1:])
    requests, _ = site.tick(cadence.windows, NOON + timedelta(minutes=1))
    assert days(requests) == [("acme", "2026-03-01"), ("acme", "2026-02-28")]


def test_what_came_along_with_another_day_does_not_count_as_reading_that_day(site: Site) -> None:
    site.connect(perfecto("acme"))
    landed_days(site, "acme", NOON, range(30), BOTH)
    landed_days(site, "acme", NOON, range(30, 31), BOTH, note=ONLY_CHANGES)
    assert days(site.tick(cadence.windows, NOON)[0]) == [("acme", "2026-02-09")]


def test_a_day_that_the_source_was_preparing_is_due_at_the_next_hour(site: Site) -> None:
    site.connect(perfecto("acme"))
    landed_days(site, "acme", NOON, range(31), BOTH)
    landed_days(site, "acme", NOON + timedelta(minutes=1), range(20, 21), BOTH[:1], is_due_again=True)
    assert days(site.tick(cadence.windows, NOON + timedelta(minutes=2))[0]) == []
    assert ("acme", "2026-02-19") in days(site.tick(cadence.windows, NOON + HOUR)[0])
    landed_days(site, "acme", NOON + timedelta(minutes=9), range(20, 21), BOTH[:1], is_due_again=None)
    assert ("acme", "2026-02-19") not in days(site.tick(cadence.windows, NOON + HOUR)[0])


def test_a_new_day_is_asked_for_at_its_first_moment_along_with_the_one_that_leaves_the_look_back(
    site: Site,
) -> None:
    site.connect(perfecto("acme"))
    midnight = datetime(2026, 3, 12, tzinfo=UTC)
    before = midnight - timedelta(minutes=20)
    landed_days(site, "acme", before, range(31), BOTH)
    requests, cursor = site.tick(cadence.windows, before + timedelta(minutes=19))
    assert requests == []
    requests, _ = site.tick(cadence.windows, midnight + timedelta(seconds=1), cursor)
    assert days(requests) == [("acme", f"2026-03-{day:02}") for day in (12, 11, 10, 9)]


def test_after_a_missed_night_the_days_that_it_left_open_are_asked_for_and_no_others(site: Site) -> None:
    site.connect(perfecto("acme"))
    landed_days(site, "acme", NOON, range(31), BOTH)
    _, cursor = site.tick(cadence.windows, NOON)
    for known in (cursor, None):
        requests, _ = site.tick(cadence.windows, NOON + 20 * HOUR, known)
        assert days(requests) == [("acme", f"2026-03-{day:02}") for day in (12, 11, 10, 9)]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_changed_clock_stops_no_reading_and_nothing_is_read_twice_for_it(site: Site, hours: int) -> None:
    site.connect(perfecto("acme"))
    landed_days(site, "acme", NOON, range(31), BOTH)
    _, cursor = site.tick(cadence.windows, NOON)
    changed = NOON + timedelta(hours=hours)
    requests, cursor = site.tick(cadence.windows, changed, cursor)
    # Put back, the lake was asked by a clock that was ahead, which tells nothing: it counts as never asked.
    assert len(days(requests)) == (3 if hours > 0 else cadence.MOST_WAITING)
    landed_days(site, "acme", changed, range(31), BOTH)
    assert site.tick(cadence.windows, changed + timedelta(minutes=1), None)[0] == []


def test_a_restart_with_a_lost_cursor_asks_for_nothing_that_the_lake_has(site: Site) -> None:
    site.connect(perfecto("acme"))
    landed_days(site, "acme", NOON, range(31), BOTH)
    _, cursor = site.tick(cadence.windows, NOON)
    assert site.tick(cadence.windows, NOON, cursor)[0] == []
    assert site.tick(cadence.windows, NOON, None)[0] == []


def test_a_day_that_waits_or_runs_is_not_asked_for_again_and_one_that_failed_is(site: Site) -> None:
    site.connect(perfecto("acme"))
    landed_days(site, "acme", NOON - HOUR, range(31), BOTH)
    for day, status in (("11", "STARTING"), ("10", "STARTED"), ("09", "FAILURE")):
        site.has_run({cadence.TAG: f"window/{REPORTING}/acme/2026-03-{day}"}, dg.DagsterRunStatus[status])
    assert days(site.tick(cadence.windows, NOON)[0]) == [("acme", "2026-03-09")]


def test_a_connection_that_comes_later_is_asked_for_at_once(site: Site) -> None:
    site.connect(perfecto("acme"))
    landed_days(site, "acme", NOON, range(31), BOTH)
    _, cursor = site.tick(cadence.windows, NOON)
    site.connect(perfecto("acme"), perfecto("beta"))
    requests, _ = site.tick(cadence.windows, NOON + timedelta(minutes=1), cursor)
    assert {name for name, _ in days(requests)} == {"beta"}
    assert sorted(site.instance.get_dynamic_partitions("perfecto")) == ["acme", "beta"]


# --- builds ----------------------------------------------------------------------------------------------------


def test_a_build_is_asked_for_when_the_lake_has_changed_since_the_last_good_one(site: Site) -> None:
    now = datetime.now(UTC) - timedelta(minutes=1)
    assert site.tick(cadence.builds, now)[0] == []
    tell(site.lake, "acme", day_landed(REPORTING, "commands", date(2026, 3, 1), now, is_rewritten=True))
    assert len(site.tick(cadence.builds, now + HOUR)[0]) == 1
    site.has_run({}, dg.DagsterRunStatus.SUCCESS, BUILD_JOB)
    later = datetime.now(UTC) + 2 * HOUR
    assert site.tick(cadence.builds, later)[0] == []
    tell(site.lake, "acme", day_landed(REPORTING, "commands", date(2026, 3, 1), later, is_rewritten=False))
    assert site.tick(cadence.builds, later + HOUR)[0] == []
    tell(site.lake, "acme", looked("perfecto_lab", "devices", later), interval_seconds=300)
    assert len(site.tick(cadence.builds, later + HOUR)[0]) == 1


def test_a_build_that_failed_is_tried_again_after_the_interval_and_two_are_never_asked_for(
    site: Site,
) -> None:
    now = datetime.now(UTC)
    tell(site.lake, "acme", day_landed(REPORTING, "commands", date(2026, 3, 1), now, is_rewritten=True))
    site.has_run({}, dg.DagsterRunStatus.FAILURE, BUILD_JOB)
    assert site.tick(cadence.builds, now + timedelta(minutes=50))[0] == []
    assert len(site.tick(cadence.builds, now + timedelta(minutes=70))[0]) == 1
    site.has_run({}, dg.DagsterRunStatus.STARTED, BUILD_JOB)
    assert site.tick(cadence.builds, now + timedelta(minutes=200))[0] == []


def test_a_build_waits_for_days_that_are_being_read(site: Site) -> None:
    now = datetime.now(UTC)
    tell(site.lake, "acme", day_landed(REPORTING, "commands", date(2026, 3, 1), now, is_rewritten=True))
    run = site.has_run({cadence.TAG: f"window/{REPORTING}/acme/2026-03-01"}, dg.DagsterRunStatus.STARTED)
    assert site.tick(cadence.builds, now + timedelta(minutes=5))[0] == []
    later = now + timedelta(minutes=62)
    tell(site.lake, "acme", day_landed(REPORTING, "commands", date(2026, 3, 2), later, is_rewritten=True))
    assert len(site.tick(cadence.builds, later)[0]) == 1
    site.instance.report_run_failed(site.instance.get_run_by_id(run))
    assert len(site.tick(cadence.builds, now + timedelta(minutes=5))[0]) == 1


def test_after_a_missed_night_or_a_lost_database_there_is_one_build_of_all_that_came(site: Site) -> None:
    now = datetime.now(UTC)
    for hours in (14, 3):
        changed = day_landed(REPORTING, "commands", date(2026, 3, 1), now - hours * HOUR, is_rewritten=True)
        tell(site.lake, "acme", changed)
    assert len(site.tick(cadence.builds, now)[0]) == 1  # of a storage that knows no build
    site.has_run({}, dg.DagsterRunStatus.STARTED, BUILD_JOB)
    assert site.tick(cadence.builds, now + HOUR)[0] == []


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_changed_clock_stops_no_build(site: Site, hours: int) -> None:
    now = datetime.now(UTC)
    site.has_run({}, dg.DagsterRunStatus.SUCCESS, BUILD_JOB)
    changed = now + timedelta(hours=hours, minutes=5)
    tell(site.lake, "acme", day_landed(REPORTING, "commands", date(2026, 3, 1), changed, is_rewritten=True))
    assert len(site.tick(cadence.builds, changed + HOUR)[0]) == 1


# --- all of them -----------------------------------------------------------------------------------------------


def test_every_sensor_and_schedule_is_on_without_anybody_switching_it_on() -> None:
    sensors = (cadence.snapshots, cadence.windows, cadence.builds)
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.RUNNING}
    for schedule in (every_hour, every_quarter_of_an_hour):
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
        assert schedule.execution_timezone == "UTC"  # no hour is skipped or doubled by a change of the clocks
