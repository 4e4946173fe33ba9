"""One simulated Perfecto cloud: runs by day, their steps, devices and their states, reservations."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property

from simlab.world.breaks import Breaks
from simlab.world.catalogue import Catalogue
from simlab.world.fleet import Fleet, Unavailable, without_overlaps
from simlab.world.model import Device, Outage, Reservation, Step, TestRun
from simlab.world.outages import Outages, state_in
from simlab.world.randomness import DAY, midnight, ordinal_of
from simlab.world.schedule import FarmDay, reservations
from simlab.world.steps import steps_of

_RUNS_KEPT = 60_000  # of recent days, in memory; at least the two newest asked for
RUNS_PER_FARM_DAY = 560


class PerfectoCloud:
    """Implements `simlab.world.model.PerfectoWorld`."""

    def __init__(self, seed: int, connection: str, first_day: date, days: int, density: float = 1.0) -> None:
        self.connection = connection
        self.farms = max(1, math.ceil(density))
        self._scale = density / self.farms
        self._first, self._last = first_day.toordinal(), first_day.toordinal() + days - 1
        self._keys = [(seed, connection, farm) for farm in range(self.farms)]
        self.fleets = [Fleet(*key) for key in self._keys]
        self.outages = Outages(seed, connection, [fleet.device_ids for fleet in self.fleets])
        self._days: OrderedDict[int, list[TestRun]] = OrderedDict()
        self._after_midnight: OrderedDict[int, list[TestRun]] = OrderedDict()
        self._by_id: tuple[int, dict[str, TestRun]] = (-1, {})
        self._days_kept = max(2, int(_RUNS_KEPT / (RUNS_PER_FARM_DAY * density)))

    @cached_property
    def catalogues(self) -> list[Catalogue]:
        return [Catalogue(*key, fleet) for key, fleet in zip(self._keys, self.fleets, strict=True)]

    @cached_property
    def breaks(self) -> list[Breaks]:
        return [Breaks(*key, catalogue) for key, catalogue in zip(self._keys, self.catalogues, strict=True)]

    def first_day(self) -> date:
        return date.fromordinal(self._first)

    def last_day(self) -> date:
        return date.fromordinal(self._last)

    def days(self) -> Iterator[date]:
        return (date.fromordinal(ordinal) for ordinal in range(self._first, self._last + 1))

    def test_runs(self, day: date) -> Sequence[TestRun]:
        """The runs that start on a UTC day, by start; empty outside the world's days."""
        ordinal = day.toordinal()
        return self._runs_of(ordinal) if self._first <= ordinal <= self._last else []

    def _runs_of(self, ordinal: int) -> list[TestRun]:
        if ordinal not in self._days:
            carried = self._after_midnight.get(ordinal)
            if carried is None:
                _, carried = self._plan(ordinal - 1)
            runs, after_midnight = self._plan(ordinal)
            runs += carried
            runs.sort(key=lambda run: (run.started_at, run.id))
            self._days[ordinal] = runs
            self._after_midnight[ordinal] = carried
            self._after_midnight[ordinal + 1] = after_midnight
            while len(self._days) > self._days_kept:
                self._days.popitem(last=False)
            while len(self._after_midnight) > 4 * self._days_kept:
                self._after_midnight.popitem(last=False)
        self._days.move_to_end(ordinal)
        return self._days[ordinal]

    def _plan(self, ordinal: int) -> tuple[list[TestRun], list[TestRun]]:
        """What is planned on a day: the runs that start on it, and those that start after its midnight."""
        shared = [
            outage
            for day in (ordinal, ordinal + 1)
            for outage in self.outages.of_connection(day) + self.outages.of_locations(day)
        ]
        end = midnight(ordinal + 1)
        on_the_day: list[TestRun] = []
        after_midnight: list[TestRun] = []
        for farm, key in enumerate(self._keys):
            own = self.outages.of_devices(farm, ordinal) + self.outages.of_devices(farm, ordinal + 1)
            plan = FarmDay(
                key,
                ordinal,
                farm,
                self._scale,
                self.fleets[farm],
                self.catalogues[farm],
                self.breaks[farm],
                shared + own,
            )
            for run in plan.make().written:
                (on_the_day if run.started_at < end else after_midnight).append(run)
        return on_the_day, after_midnight

    def test_run(self, test_run_id: str) -> TestRun | None:
        """The id begins with the second of the start, so one day answers."""
        try:
            ordinal = ordinal_of(int(test_run_id[:8], 16) * 1000)
        except ValueError:
            return None
        if not self._first <= ordinal <= self._last:
            return None
        if self._by_id[0] != ordinal:
            self._by_id = (ordinal, {run.id: run for run in self._runs_of(ordinal)})
        return self._by_id[1].get(test_run_id)

    def steps(self, run: TestRun) -> Sequence[Step]:
        return steps_of(run)

    def devices(self, at: int | None = None) -> Sequence[Device]:
        """The fleet as it is at an instant: on the last day, unless told otherwise."""
        ordinal = self._last if at is None else ordinal_of(at)
        return [device for fleet in self.fleets for device in fleet.on(ordinal)]

    def device_state(self, device_id: str, at: int) -> str:
        for away in self.unavailable(device_id, ordinal_of(at)):
            if away.started_at <= at < away.ended_at:
                return away.state
        return "CONNECTED"

    def unavailable(self, device_id: str, ordinal: int) -> list[Unavailable]:
        """When a device is not connected on a day, without overlaps: the first to hold beats the later."""
        for farm, fleet in enumerate(self.fleets):
            index = fleet.index(device_id)
            if index is not None:
                location = fleet.on(ordinal)[index].location
                found = self.outages.of_devices(farm, ordinal) + self.outages.of_locations(ordinal)
                known = [
                    Unavailable(o.started_at, o.ended_at, state_in(o))
                    for o in found
                    if o.scope_id in (device_id, location)
                ]
                return without_overlaps(known + fleet.unavailable(index, ordinal))
        return []

    def reservations(self, start: int, end: int) -> Sequence[Reservation]:
        """Those that overlap [start, end), by start."""
        found = [
            r
            for ordinal in range(
                max(self._first, ordinal_of(start - DAY)), min(self._last, ordinal_of(end)) + 1
            )
            for farm, key in enumerate(self._keys)
            for r in reservations(key, farm, self.fleets[farm], ordinal)
            if r.ended_at > start and r.started_at < end
        ]
        return sorted(found, key=lambda r: (r.started_at, r.id))

    def outages_of(self, day: date) -> list[Outage]:
        return self.outages.on(day.toordinal())
