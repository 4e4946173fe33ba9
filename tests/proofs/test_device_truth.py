"""Devices, fleet and agents against what the simulated lab's world knows: from snapshots of moved days, gaps included.

What a snapshot can know is compared exactly: the truth at the instants of the snapshots, each holding until the next
or three times its interval. The truth itself is compared within what may have gone unseen around each of its changes.
All of it is counted here by trying every interval on every stretch between two edges.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from pipelines.lib import lake_files
from pipelines.lib.ingest_partitions import INGEST_PARTITIONS
from simlab.clock import DAY, HOUR, day_of, start_of
from simlab.server import Lab, LabConfig, start
from tests.proofs.landing_everything import connections_of
from tests.proofs.watching import Round, days, land_test_executions, rounds_of, watch
from tests.warehouse.conftest import Build
from tests.warehouse.fixture_lake import write_families
from tests.warehouse.lake_writer import TABLES

END = date(2026, 6, 30)
MARTS = ("device_utilization_daily", "fleet_concurrency_hourly", "agent_utilization_daily")

Interval = tuple[int, int]  # milliseconds since 1970, half-open
DeviceDay = tuple[str, date]


@dataclass(frozen=True)
class Size:
    days: int
    unwatched_days: int  # the first ones: nobody took snapshots yet
    interval_seconds: int
    seed: int
    density: float


@dataclass(frozen=True)
class Watched:
    """A lab that was watched, the warehouse built from that, and the truth."""

    lab: Lab
    size: Size
    rounds: list[Round]
    truth: Path
    warehouse: duckdb.DuckDBPyConnection

    @property
    def first_day(self) -> date:
        return END - timedelta(days=self.size.days - 1)

    def true_intervals(self, table: str, columns: str = "") -> dict[str, list[tuple]]:
        """By device: start and end in milliseconds, and more columns."""
        found: dict[str, list[tuple]] = defaultdict(list)
        for device, *interval in duckdb.sql(
            f"select device_id, epoch_ms(started_at), epoch_ms(ended_at){columns} "
            f"from '{self.truth / (table + '.parquet')}' order by all"
        ).fetchall():
            found[device].append(tuple(interval))
        return found

    @cached_property
    def busy(self) -> dict[str, list[Interval]]:
        return self.true_intervals("device_occupancy")

    @cached_property
    def away(self) -> dict[str, list[tuple[int, int, str]]]:
        return self.true_intervals("device_states", ", state")

    @cached_property
    def phones(self) -> list[str]:
        """The devices that the cloud lists."""
        return [
            d.device_id.lower() for d in self.lab.world.perfecto[0].devices() if d.device_type == "MOBILE"
        ]

    @cached_property
    def held(self) -> list[Interval]:
        """How long each round's states hold."""
        ends = [round_.at for round_ in self.rounds[1:]] + [2**62]
        return [
            (round_.at, min(round_.holds_until, end)) for round_, end in zip(self.rounds, ends, strict=True)
        ]

    @cached_property
    def sampled(self) -> dict[str, tuple[list[Interval], list[Interval]]]:
        """By device: when it was unavailable and when it was available, as the truth was at each round's instant."""
        found = {}
        for device in self.phones:
            both: tuple[list[Interval], list[Interval]] = ([], [])
            for begin, end in self.held:
                is_away = any(start <= begin < stop for start, stop, _ in self.away[device])
                both[0 if is_away else 1].append((begin, end))
            found[device] = both
        return found

    @cached_property
    def watched_days(self) -> set[date]:
        return {day_of(round_.at) for round_ in self.rounds}

    def rows(self, sql: str) -> list[tuple]:
        return self.warehouse.execute(sql).fetchall()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(Size(4, 1, 5400, seed=2, density=0.5), id="small"),
        *(pytest.param(Size(60, 3, 3600, seed=s, density=1), id=f"seed{s}", marks=pytest.mark.proof) for s in (1, 2, 3)),
    ],
)  # fmt: skip
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    size: Size = request.param
    folder = tmp_path_factory.mktemp("watched")
    build = Build(folder)
    first = END - timedelta(days=size.days - 1)
    rounds = rounds_of(first + timedelta(days=size.unwatched_days), END, size.interval_seconds, size.seed)
    config = LabConfig(
        seed=size.seed, days=size.days, end=END, clock=f"{first}T00:00:00Zx0", density=size.density, truth=folder / "truth",
    )  # fmt: skip
    with start(config) as lab:
        connections = connections_of(lab.connections_toml, commands="none")
        lake_files.write_schemas(build.lake, INGEST_PARTITIONS, *TABLES.values())
        asyncio.run(watch(lab, connections, build.lake, rounds))
        asyncio.run(land_test_executions(lab, connections, build.lake, first, END))
    no_failures = [
        ("failure_id", pa.string()),
        ("template", pa.string()),
        ("first_seen_at", pa.timestamp("us")),
    ]
    write_families(build.derived, pa.schema(no_failures).empty_table())
    only_their_tests = ("--exclude-resource-type", "unit_test", "--indirect-selection", "buildable")
    build.dbt("build", "--select", *(f"+{mart}" for mart in MARTS), *only_their_tests)
    with duckdb.connect(str(build.database), read_only=True) as warehouse:
        warehouse.execute("set timezone = 'UTC'")
        yield Watched(lab, size, rounds, folder / "truth", warehouse)


def cut(intervals: list[tuple], begin: int, end: int) -> list[Interval]:
    """What of them lies in [begin, end)."""
    return [(max(i[0], begin), min(i[1], end)) for i in intervals if i[0] < end and i[1] > begin]


def covers(intervals: list[Interval], moment: int) -> bool:
    return any(start <= moment < end for start, end in intervals)


def edges(*lists: list[Interval]) -> list[int]:
    return sorted({edge for intervals in lists for interval in intervals for edge in interval})


def length(inside: list[Interval], *outside: list[Interval]) -> int:
    """Of the union of `inside` without any of `outside`."""
    return sum(
        right - left
        for left, right in pairwise(edges(inside, *outside))
        if covers(inside, left) and not any(covers(intervals, left) for intervals in outside)
    )


def expected_day(watched: Watched, device: str, day: date) -> tuple[int, int, int, int]:
    """Busy, idle, unavailable and unobserved milliseconds of a whole day, as far as sessions and snapshots can know."""
    begin, end = start_of(day), start_of(day) + DAY
    busy = cut(watched.busy[device], begin, end)
    if day not in watched.watched_days:
        return length(busy), DAY - length(busy), 0, 0
    unavailable, available = (cut(i, begin, end) for i in watched.sampled.get(device, ([], [])))
    return (
        length(busy),
        length(available, busy),
        length(unavailable, busy),
        length([(begin, end)], busy, unavailable, available),
    )


def milliseconds(seconds: float) -> int:
    """Exact to the millisecond: anything between two is wrong."""
    rounded = round(seconds * 1000)
    assert abs(seconds * 1000 - rounded) < 1e-3
    return rounded


def test_every_second_of_a_device_is_what_sessions_and_snapshots_say(
    watched: Watched, figures: list[str]
) -> None:
    measured = {
        (device, day): tuple(milliseconds(value) for value in values)
        for device, day, *values in watched.rows(
            "select device_id, date, busy_seconds, idle_seconds, unavailable_seconds, unobserved_seconds "
            "from marts.device_utilization_daily"
        )
    }
    expected = {key: expected_day(watched, *key) for key in measured}
    assert {key: (expected[key], measured[key]) for key in measured if expected[key] != measured[key]} == {}
    busy_days = {(d, day_of(t)) for d, held in watched.busy.items() for i in held for t in (i[0], i[1] - 1)}
    listed_days = {(device, day) for device in watched.phones for day in watched.watched_days}
    assert (busy_days | listed_days) - set(measured) == set()
    sums = [sum(values[n] for values in expected.values()) / HOUR for n in range(4)]
    assert min(sums) > 0, "nothing of one kind proves nothing"
    figures.append(
        f"{len(measured):,} device-days from {len(watched.rounds):,} rounds: {sums[0]:,.1f} h busy, {sums[1]:,.1f} idle, "
        f"{sums[2]:,.1f} unavailable, {sums[3]:,.1f} unobserved; 0 differ by a millisecond"
    )


def test_unavailable_time_is_true_within_one_interval_per_transition(
    watched: Watched, figures: list[str]
) -> None:
    """A change of the truth shows at the next round, as long as the state of the round before holds."""
    unseen: dict[DeviceDay, int] = defaultdict(int)
    transitions = 0
    for device in watched.phones:
        changes = {edge for start, end, _ in watched.away[device] for edge in (start, end)}
        for moment in changes:
            for begin, end in watched.held:
                if begin < moment <= end:
                    transitions += 1
                    for day in {day_of(begin), day_of(end - 1)}:
                        unseen[device, day] += sum(
                            b - a for a, b in cut([(begin, end)], start_of(day), start_of(day) + DAY)
                        )
    measured = watched.rows("select device_id, date, unavailable_seconds from marts.device_utilization_daily")
    largest, off, total = 0.0, 0, 0
    for device, day, seconds in measured:
        if day in watched.watched_days and device in watched.phones:
            begin, end = start_of(day), start_of(day) + DAY
            observed = cut(watched.held, begin, end)
            away = [part for i in cut(watched.away[device], begin, end) for part in cut(observed, *i)]
            true = length(away, cut(watched.busy[device], begin, end))
            error = abs(milliseconds(seconds) - true)
            assert error <= unseen[device, day], (device, day, seconds, true / 1000)
            largest, off, total = max(largest, error), off + error, total + true
    assert transitions >= 10, "too few changes prove nothing"
    figures.append(
        f"{transitions:,} changes seen, {total / HOUR:,.1f} h truly unavailable while observed: off by at most "
        f"{largest / 60_000:.1f} min in a device's day, {off / max(total, 1):.1%} in all"
    )  # fmt: skip


def test_reserved_but_idle_time_is_exact(watched: Watched, figures: list[str]) -> None:
    reserved: dict[str, list[Interval]] = defaultdict(list)
    cloud = watched.lab.world.perfecto[0]
    for r in cloud.reservations(start_of(watched.first_day), start_of(END) + 8 * DAY):
        if any(
            r.created_at <= seen.at and r.ended_at > seen.at - DAY and r.started_at < seen.at + 7 * DAY
            for seen in watched.rounds
        ):
            reserved[r.device_id.lower()].append((r.started_at, r.ended_at))
    wrong, total = [], 0
    for device, day, seconds in watched.rows(
        "select device_id, date, reserved_idle_seconds from marts.device_utilization_daily"
    ):
        begin, end = start_of(day), start_of(day) + DAY
        idle = length(cut(reserved[device], begin, end), cut(watched.busy[device], begin, end))
        total += idle
        if milliseconds(seconds) != idle:
            wrong.append((device, day, seconds, idle / 1000))
    assert wrong == []
    assert total > 0
    figures.append(
        f"{sum(map(len, reserved.values())):,} reservations, {total / HOUR:,.1f} h reserved but idle: exact"
    )


def test_the_fleets_hours_are_exact_for_every_group_and_for_all(watched: Watched, figures: list[str]) -> None:
    """Peaks by trying every start; a device's group is what was last said of its location before the hour's end."""
    cloud = watched.lab.world.perfecto[0]
    spans = watched.rows(
        "select device_id, min(date), max(date) from marts.device_utilization_daily group by all"
    )
    described = {
        device: watched.rows(
            "select os, model, location, epoch_ms(valid_from), epoch_ms(coalesce(valid_to, timestamp '2100-01-01')) "
            f"from core.dim_devices where device_id = '{device}'"
        )
        for device, _, _ in spans
    }
    assert {device for device, _, _ in spans} >= {d.device_id.lower() for d in cloud.devices()} - {None}
    hours: dict[tuple, list[tuple[list[Interval], int, int]]] = defaultdict(list)
    for device, first, last in spans:
        for day in days(first, last):
            busy_of_day = cut(watched.busy[device], start_of(day), start_of(day) + DAY)
            away_of_day = cut(watched.sampled.get(device, ([], []))[0], start_of(day), start_of(day) + DAY)
            for hour in range(start_of(day), start_of(day) + DAY, HOUR):
                busy = cut(busy_of_day, hour, hour + HOUR)
                away = cut(away_of_day, hour, hour + HOUR) if day in watched.watched_days else []
                figures_of_hour = (busy, length(busy), HOUR - length(away, busy))
                group = next((d[:3] for d in described[device] if d[3] < hour + HOUR <= d[4]), (None,) * 3)
                hours[hour, *group].append(figures_of_hour)
                hours[hour, "*", "*", "*"].append(figures_of_hour)
    expected = {}
    for key, devices in hours.items():
        starts = {start for busy, _, _ in devices for start, _ in busy}
        peak = max((sum(covers(busy, at) for busy, _, _ in devices) for at in starts), default=0)
        available = sum(a for _, _, a in devices)
        expected[key] = (
            peak,
            available / HOUR,
            sum(b for _, b, _ in devices) / available if available else None,
        )
    measured = {
        (hour, *group): (peak, available, utilization)
        for hour, *group, peak, available, utilization in watched.rows(
            "select epoch_ms(hour), os, model, location, peak_devices_busy, devices_available, utilization "
            "from marts.fleet_concurrency_hourly"
        )
    }
    assert measured.keys() == expected.keys()
    for key, (peak, available, utilization) in measured.items():
        assert peak == expected[key][0], key
        assert available == pytest.approx(expected[key][1], abs=1e-9), key
        assert utilization == pytest.approx(expected[key][2], abs=1e-9), key
    peaks = [value[0] for key, value in measured.items() if key[1] == "*"]
    assert max(peaks) > 3
    figures.append(
        f"{len(measured):,} hours of groups of devices, peaks to {max(peaks)} at once: none differs"
    )


def test_a_device_is_described_as_it_was(watched: Watched, figures: list[str]) -> None:
    """By the last round of each day in which it was connected: system, version, model and place."""
    cloud = watched.lab.world.perfecto[0]
    seen, wrong = 0, []
    described: dict[str, list[tuple]] = defaultdict(list)
    for device, *row in watched.rows(
        "select device_id, epoch_ms(valid_from), epoch_ms(valid_to), os, os_version, model, location from core.dim_devices"
    ):
        described[device].append(tuple(row))
    for day in watched.watched_days:
        last = max(round_.at for round_ in watched.rounds if day_of(round_.at) == day)
        for device in cloud.devices(last):
            name = device.device_id.lower()
            if name in watched.phones and covers(watched.sampled[name][1], last):
                (found,) = [d[2:] for d in described[name] if d[0] <= last and (d[1] is None or d[1] > last)]
                if found != (device.os, device.os_version, device.model, device.location):
                    wrong.append((device, day, found))
                seen += 1
    assert wrong == []
    assert seen
    changes = sum(len(periods) - 1 for device, periods in described.items() if device in watched.phones)
    figures.append(f"{seen:,} descriptions at a day's last round, {changes} changes: none differs")


def test_agents_are_as_busy_and_as_lost_as_their_samples(watched: Watched, figures: list[str]) -> None:
    server = watched.lab.world.hcl[0]
    states: dict[tuple[int, date], list[str]] = defaultdict(list)
    for round_ in watched.rounds:
        for agent in server.agents():
            states[agent.id, day_of(round_.at)].append(server.agent_state(agent.id, round_.at)[0])
    expected = {}
    for key, seen in states.items():
        lost = seen.count("LOST")
        busy = seen.count("BUSY") / (len(seen) - lost) if lost < len(seen) else None
        expected[key] = (len(seen), busy, lost / len(seen))
    measured = {
        (agent, day): values
        for agent, day, *values in watched.rows(
            "select agent_id, date, samples, busy_ratio, lost_ratio from marts.agent_utilization_daily"
        )
    }
    assert {key: tuple(values) for key, values in measured.items()} == expected
    assert any(busy for _, busy, _ in expected.values())
    figures.append(
        f"{len(expected):,} agent-days from {len(watched.rounds) * len(server.agents()):,} samples: exact"
    )


def test_states_are_cut_where_nobody_looked(watched: Watched) -> None:
    """Every period of a device's states is of successive rounds of one state, and ends where the last of them does, or
    at midnight, and goes on the next day if anybody looks then."""
    words = {
        "CONNECTED": "connected",
        "NOT_CONNECTED": "not_connected",
        "ERROR": "error",
        "MAINTENANCE": "maintenance",
    }
    cloud = watched.lab.world.perfecto[0]
    spellings = {d.device_id.lower(): d.device_id for d in cloud.devices()}
    expected: list[tuple[str, date, str, int, int, str | None, int]] = []
    for device in watched.phones:
        state, seen_at = None, 0
        for round_, (begin, end) in zip(watched.rounds, watched.held, strict=True):
            previous = state if begin - seen_at <= 12 * HOUR else None
            state, seen_at = words[cloud.device_state(spellings[device], round_.at)], begin
            midnight = start_of(day_of(begin)) + DAY
            pieces = [(begin, min(end, midnight), previous, 1)]
            if end > midnight and day_of(midnight) in watched.watched_days:
                pieces.append((midnight, end, state, 0))
            for since, until, before, seen in pieces:
                day, last = day_of(since), expected[-1] if expected else None
                if last and (*last[:3], last[4]) == (device, day, state, since):
                    expected[-1] = (*last[:4], until, last[5], last[6] + seen)
                else:
                    expected.append((device, day, state, since, until, before, seen))
    measured = watched.rows(
        "select device_id, date, device_state, epoch_ms(started_at), epoch_ms(ended_at), previous_device_state, snapshots "
        "from core.fct_device_states"
    )
    assert sorted(measured, key=str) == sorted(expected, key=str)


def test_the_truth_of_the_day_has_something_to_tell(watched: Watched) -> None:
    """Gaps that a state bridges, gaps that it does not, and a change of the interval lie in the rounds."""
    distances = [(b.at - a.at) / (a.interval_seconds * 1000) for a, b in pairwise(watched.rounds)]
    assert any(1 < distance < 3 for distance in distances)
    assert any(distance > 3 for distance in distances)
    assert len({round_.interval_seconds for round_ in watched.rounds}) == 2
    assert datetime.fromtimestamp(watched.rounds[0].at / 1000, UTC).date() > watched.first_day
