"""Times in which the lab itself fails: of a device, a location, or the whole connection.

Outages come in blocks of days, one or two per block, so that any fortnight has some of each scope and the outages
of a day follow from the day alone.
"""

from __future__ import annotations

from random import Random

from simlab.world.catalogue import JOBS
from simlab.world.causes import of_the_lab as lab
from simlab.world.fleet import BOSTON, FRANKFURT, PHONES, TOKYO
from simlab.world.model import Outage
from simlab.world.randomness import HOUR, MINUTE, midnight, stream

DEVICE_BLOCK_DAYS, LOCATION_BLOCK_DAYS, CONNECTION_BLOCK_DAYS = 2, 6, 7
_PHONE_LOCATIONS = (BOSTON, FRANKFURT, TOKYO)
_BUILD_HOURS = sorted({hour for job in JOBS for hour in job.hours if 6 <= hour < 20})


def _window(rng: Random, first_day: int, days: int, shortest: int, longest: int) -> tuple[int, int]:
    """Begins on one of the block's days, soon after some build did: a lab breaks when it is used."""
    day = midnight(first_day + int(rng.random() * days))
    start = day + int((_BUILD_HOURS[int(rng.random() * len(_BUILD_HOURS))] + 0.4 * rng.random()) * HOUR)
    return start, start + int(shortest + rng.random() * (longest - shortest))


class Outages:
    """All outages of one Perfecto connection."""

    def __init__(self, seed: int, connection: str, device_ids: list[list[str]]) -> None:
        self._seed, self._connection, self._device_ids = seed, connection, device_ids

    def of_connection(self, ordinal: int) -> list[Outage]:
        block = ordinal // CONNECTION_BLOCK_DAYS
        rng = stream("connection outage", self._seed, self._connection, block)
        first = block * CONNECTION_BLOCK_DAYS
        start, end = _window(rng, first, CONNECTION_BLOCK_DAYS, 15 * MINUTE, 45 * MINUTE)
        return self._touching(ordinal, [("connection", self._connection, start, end)])

    def of_locations(self, ordinal: int) -> list[Outage]:
        block = ordinal // LOCATION_BLOCK_DAYS
        rng = stream("location outage", self._seed, self._connection, block)
        location = _PHONE_LOCATIONS[int(rng.random() * len(_PHONE_LOCATIONS))]
        start, end = _window(rng, block * LOCATION_BLOCK_DAYS, LOCATION_BLOCK_DAYS, 30 * MINUTE, 120 * MINUTE)
        return self._touching(ordinal, [("location", location, start, end)])

    def of_devices(self, farm: int, ordinal: int) -> list[Outage]:
        block = ordinal // DEVICE_BLOCK_DAYS
        rng = stream("device outage", self._seed, self._connection, farm, block)
        found = []
        for device in rng.sample(range(PHONES), 1 + int(rng.random() * 2)):
            start, end = _window(rng, block * DEVICE_BLOCK_DAYS, DEVICE_BLOCK_DAYS, 60 * MINUTE, 230 * MINUTE)
            found.append(("device", self._device_ids[farm][device], start, end))
        return self._touching(ordinal, found)

    def on(self, ordinal: int) -> list[Outage]:
        """Every outage that begins on a day: none lasts past its midnight."""
        found = self.of_connection(ordinal) + self.of_locations(ordinal)
        for farm in range(len(self._device_ids)):
            found += self.of_devices(farm, ordinal)
        return sorted(found, key=lambda o: (o.started_at, o.outage_id))

    def _touching(self, ordinal: int, windows: list[tuple[str, str, int, int]]) -> list[Outage]:
        start = midnight(ordinal)
        return [
            Outage(f"{scope}-{scope_id}-{begin}", self._connection, scope, scope_id, begin, end)
            for scope, scope_id, begin, end in windows
            if start <= begin < start + 24 * HOUR
        ]


def cause_of(outage: Outage) -> str:
    causes = {
        "device": lab.DEVICE_OUTAGES,
        "location": lab.LOCATION_OUTAGES,
        "connection": lab.CONNECTION_OUTAGES,
    }[outage.scope]
    return causes[outage.started_at // 1000 % len(causes)]


def state_in(outage: Outage) -> str:
    """What a device list says of a device in a device or location outage."""
    return "ERROR" if cause_of(outage) == "device_in_error" else "NOT_CONNECTED"
