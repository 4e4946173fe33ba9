"""One farm's day: which builds, sessions and single runs happen when, on which device.

What is planned on a day starts on that day or, when a build runs on past midnight, in the first hours of the next.
Each device is handed from one day's plan to the next at a time of its own between 00:45 and 02:00, which both
plans know by arithmetic: so days can be made in any order and sessions still never overlap by accident.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from random import Random

from simlab.world.breaks import Breaks
from simlab.world.catalogue import (
    DEPENDENT,
    DEVICE_BOUND,
    MAX_ATTEMPTS,
    Catalogue,
    CatalogueTest,
    Job,
    weighted,
)
from simlab.world.fleet import FARM_SIZE, PHONES, Fleet
from simlab.world.model import Outage, Reservation
from simlab.world.names import MANUAL_SESSION_NAME, PEOPLE
from simlab.world.outcomes import Outcome, Outcomes
from simlab.world.randomness import DAY, HOUR, MINUTE, SECOND, fraction, midnight, stream
from simlab.world.runs import Build, RunWriter

BUILDS_PER_NUMBERED_DAY = 6  # numbers of a job's builds: day * 6 + slot, so that they grow with gaps
_NUMBERS_BEGIN = date(2018, 1, 1).toordinal()
SOLO_RUNS, MANUAL_SESSIONS, RESERVATIONS = 40, 20, 6
DOUBLE_BOOKED = 0.02  # of the runs that find their device busy
_RETRY_ON_SAME_DEVICE = 0.6
_WEEKEND_SLOTS = 3
_LATE_SESSIONS = 0.08  # of the manual ones: some run past midnight
_TOUCHABLE = 18  # the devices that people use by hand: phones, tablets and simulators


def handover(key: tuple[object, ...], device: int, ordinal: int) -> int:
    """When a device passes from the plan of the day before to that of `ordinal`."""
    return midnight(ordinal) + int((45 + 75 * fraction("handover", *key, device, ordinal)) * MINUTE)


def reservations(key: tuple[object, ...], farm: int, fleet: Fleet, ordinal: int) -> list[Reservation]:
    """Those that begin on a day, by start. Every other one is used by the person who made it."""
    rng = stream("reservations", *key, ordinal)
    found = []
    for number in range(RESERVATIONS):
        start = midnight(ordinal) + int((6 + rng.random() * 13) * 4) * 15 * MINUTE
        person = PEOPLE[int(rng.random() * len(PEOPLE))]
        found.append(
            Reservation(
                id=str((ordinal * 1000 + farm) * 10 + number),
                device_id=fleet.device_ids[int(rng.random() * PHONES)],
                reserved_to=person,
                started_at=start,
                ended_at=start + int(1 + rng.random() * 16) * 15 * MINUTE,
                created_at=start - int(rng.random() * 2 * DAY),
                description=("", "exploratory testing", "demo for the release train")[int(rng.random() * 3)],
            )
        )
    return sorted(found, key=lambda r: (r.started_at, r.id))


class FarmDay:
    """Makes the runs that one farm's plan of one day holds."""

    def __init__(
        self,
        key: tuple[object, ...],
        ordinal: int,
        farm: int,
        scale: float,
        fleet: Fleet,
        catalogue: Catalogue,
        breaks: Breaks,
        outages: list[Outage],
    ) -> None:
        self._key, self._ordinal, self._farm, self._scale = key, ordinal, farm, scale
        self._fleet, self._catalogue, self._breaks = fleet, catalogue, breaks
        self._rng: Random = stream("plan", *key, ordinal)
        self._free = [handover(key, device, ordinal) for device in range(FARM_SIZE)]
        self._limit = [handover(key, device, ordinal + 1) - SECOND for device in range(FARM_SIZE)]
        self._since = [0] * FARM_SIZE
        self._away = [
            fleet.unavailable(d, ordinal) + fleet.unavailable(d, ordinal + 1) for d in range(FARM_SIZE)
        ]
        devices = fleet.on(ordinal)
        by_device = [
            [
                o
                for o in outages
                if o.scope == "connection" or o.scope_id in (device.device_id, device.location)
            ]
            for device in devices
        ]
        self._outcomes = Outcomes(key, self._rng, by_device)
        self.runs = RunWriter(key, ordinal, self._rng, devices, fleet.on(ordinal + 1))

    def make(self) -> RunWriter:
        """Lets everything that is planned happen in turn; what comes first has the device first."""
        for at, happen in sorted(self._planned(), key=lambda planned: planned[0]):
            happen(at)
        return self.runs

    def _planned(self) -> Iterator[tuple[int, Callable[[int], None]]]:
        """Builds, single runs and manual sessions, each with the time at which it asks for a device."""
        rng, start = self._rng, midnight(self._ordinal)
        is_weekend = self._ordinal % 7 in (6, 0)
        for job in self._catalogue.jobs:
            for slot, hour in enumerate(job.hours[: _WEEKEND_SLOTS if is_weekend else None]):
                if fraction("kept", *self._key, self._ordinal, job.name, slot) < self._scale:
                    yield start + int((hour + 0.4 * rng.random()) * HOUR), partial(self._build, job, slot)
        for _ in range(round(SOLO_RUNS * self._scale)):
            yield start + int((7 + 14 * rng.random()) * HOUR), self._solo
        for _ in range(round(MANUAL_SESSIONS * self._scale)):
            hour = 23.2 + 0.7 * rng.random() if rng.random() < _LATE_SESSIONS else 7 + 12 * rng.random()
            person = PEOPLE[int(rng.random() * len(PEOPLE))]
            device = int(rng.random() * _TOUCHABLE)
            yield start + int(hour * HOUR), partial(self._manual, person, device)
        for number, reservation in enumerate(reservations(self._key, self._farm, self._fleet, self._ordinal)):
            if number % 2:
                device = self._fleet.device_ids.index(reservation.device_id)
                at = reservation.started_at + int(rng.random() * 20 * MINUTE)
                yield at, partial(self._manual, reservation.reserved_to, device)

    def _build(self, job: Job, slot: int, at: int) -> None:
        rng = self._rng
        day = (self._ordinal - _NUMBERS_BEGIN) * BUILDS_PER_NUMBERED_DAY
        branch = job.branches[0 if rng.random() < 0.6 else int(rng.random() * len(job.branches))]
        build = Build(job.name, day + slot, branch, job.trigger)
        broken = self._breaks.in_build(self._ordinal, job.name, slot)
        tests = self._catalogue.of_project[job.project]
        chosen = [t for t in tests if rng.random() < job.share * t.frequency or t.index in broken]
        rng.shuffle(chosen)
        for position, test in enumerate(chosen):
            wanted = at + position * 4 * SECOND
            variant = test.choose_variant(rng.random())
            self._attempts(test, variant, wanted, 1 + job.retries, build, broken.get(test.index))
            if job.variants_per_test > 1 and len(test.variants) > 1:
                other = next(v for v in test.variants if v != variant)
                self._attempts(test, other, wanted, 1 + job.retries, build, broken.get(test.index))

    def _solo(self, at: int) -> None:
        """A run that someone starts by hand or by a timer: no job, so no build."""
        rng = self._rng
        scripts = self._catalogue.of_project[""]
        pool = scripts if rng.random() < 0.4 else self._catalogue.tests
        test = pool[int(rng.random() * len(pool))]
        self._attempts(test, test.choose_variant(rng.random()), at, 1, None, None)

    def _attempts(
        self, test: CatalogueTest, variant: str, at: int, most: int, build: Build | None, broken: str | None
    ) -> None:
        """Runs a test until it passes, at most `most` times, each attempt after the one before."""
        rng = self._rng
        tried: list[int] = []
        external_id = None
        for attempt in range(min(most, MAX_ATTEMPTS)):
            device = self._choose_device(test, variant, tried)
            devices = (device,)
            if test.second_device:
                pool = [d for d in test.devices[variant][0] if d != device]
                devices = (device, pool[int(rng.random() * len(pool))])
            start, is_double = self._start(devices, at)
            limit = min(self._limit[d] for d in devices)
            if start + 10 * SECOND > limit:
                return
            ordinal = self._ordinal + (start >= midnight(self._ordinal + 1))
            outcome = self._outcomes.of(test, devices, start, ordinal, broken)
            end = min(start + self._duration(test, outcome), limit)
            if outcome.has_device:
                for d in devices:
                    self._since[d], self._free[d] = start, max(self._free[d], end)
            external_id = self.runs.test(
                test,
                devices,
                start,
                end,
                outcome,
                build,
                external_id,
                attempt,
                is_double and outcome.has_device,
            )
            if outcome.status in ("PASSED", "UNKNOWN"):
                return
            tried.append(device)
            at = end + 8 * SECOND + int(rng.random() * 50 * SECOND)

    def _choose_device(self, test: CatalogueTest, variant: str, tried: list[int]) -> int:
        devices, weights = test.devices[variant]
        goes_elsewhere = test.kind in (DEVICE_BOUND, DEPENDENT)
        if tried and not goes_elsewhere and self._rng.random() < _RETRY_ON_SAME_DEVICE:
            return tried[-1]
        if tried and goes_elsewhere:
            left = [(d, w) for d, w in zip(devices, weights, strict=True) if d not in tried]
            if left:
                devices, weights = zip(*left, strict=True)
        return devices[bisect(weighted(weights), self._rng.random())]

    def _start(self, devices: tuple[int, ...], at: int) -> tuple[int, bool]:
        """When the devices can be had, and whether the run then shares one with another session."""
        rng = self._rng
        if len(devices) == 1:
            device = devices[0]
            is_busy = 0 < self._since[device] <= at < self._free[device]
            if is_busy and rng.random() < DOUBLE_BOOKED:
                return at, True
        start = at
        for device in devices:
            if self._free[device] > start:
                start = self._free[device] + SECOND + int(rng.random() * 12 * SECOND)
        moved = True
        while moved:
            moved = False
            for device in devices:
                for away in self._away[device]:
                    if away.started_at <= start < away.ended_at:
                        start, moved = away.ended_at + MINUTE, True
        return start, False

    def _duration(self, test: CatalogueTest, outcome: Outcome) -> int:
        rng = self._rng
        if outcome.status == "BLOCKED":
            return 3 * SECOND + int(rng.random() * 25 * SECOND)
        spread = 0.6 + 0.8 * rng.random()
        if outcome.status == "FAILED":
            spread *= 0.3 + 1.2 * rng.random()
        return max(4 * SECOND, int(test.median_seconds * spread * 1000))

    def _manual(self, person: str, device: int, at: int) -> None:
        rng = self._rng
        if self._outcomes.outage(device, at):
            return
        start, is_double = self._start((device,), at)
        if start + MINUTE > self._limit[device] or start > at + 2 * HOUR:
            return
        end = min(start + int((3 + 55 * rng.random() ** 2) * MINUTE), self._limit[device])
        self._since[device], self._free[device] = start, max(self._free[device], end)
        self.runs.manual(MANUAL_SESSION_NAME, person, device, start, end, is_double)
