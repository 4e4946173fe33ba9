"""What becomes of one attempt: passed, failed, blocked or unknown, and what it says about it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from simlab.world.catalogue import CHANGING, DEPENDENT, DEVICE_BOUND, DEVICE_DAY_CORRELATION, CatalogueTest
from simlab.world.causes import BY_ID, PRODUCT_CAUSES, message
from simlab.world.causes import of_the_lab as lab
from simlab.world.model import Edit, Outage
from simlab.world.outages import cause_of
from simlab.world.randomness import stream
from simlab.world.reasons import blocked_reason, failure_reason

BLOCKED_SHARE, UNKNOWN_SHARE, NO_END_SHARE = 0.008, 0.02, 0.15
# In an outage every run fails: blocked, with the lab's own words, or with an assertion that hides the reason.
OUTAGE_BLOCKED, OUTAGE_LAB_WORDS = 0.35, 0.4
_WITHOUT_DEVICE = ("device_not_found", "licenses_used_up", "hub_overloaded")
_SECOND_CAUSE = 0.15


@dataclass(frozen=True, slots=True)
class Outcome:
    status: str
    cause_id: str | None = None
    outage_id: str | None = None
    message: str | None = None
    failure_reason_name: str | None = None
    edits: tuple[Edit, ...] = ()
    has_device: bool = True
    has_end: bool = True


_PASSED = Outcome("PASSED")
_UNKNOWN = Outcome("UNKNOWN")
_CRASHED = Outcome("UNKNOWN", has_end=False)


class Outcomes:
    """Outcomes of one farm's attempts that were scheduled on one day."""

    def __init__(self, key: tuple[object, ...], rng: Random, outages: list[list[Outage]]) -> None:
        self._key = key
        self._rng = rng
        self._outages = outages
        self._device_days: dict[tuple[int, int, int], float] = {}

    def outage(self, device: int, at: int) -> Outage | None:
        for outage in self._outages[device]:
            if outage.started_at <= at < outage.ended_at:
                return outage
        return None

    def of(
        self, test: CatalogueTest, devices: tuple[int, ...], at: int, ordinal: int, broken: str | None
    ) -> Outcome:
        """One attempt at an instant; `broken` is the cause of a break of its build."""
        rng = self._rng
        for device in devices:
            outage = self.outage(device, at)
            if outage is not None:
                return self._in_outage(test, outage, at)
        draw = rng.random()
        if draw < BLOCKED_SHARE:
            return self._blocked(test, lab.SINGLE_BLOCKS[int(rng.random() * len(lab.SINGLE_BLOCKS))], None)
        if draw < BLOCKED_SHARE + UNKNOWN_SHARE:
            return _CRASHED if rng.random() < NO_END_SHARE else _UNKNOWN
        if broken is not None:
            return self._failed(test, broken, None, at)
        if rng.random() >= self._chance(test, devices[0], at, ordinal):
            return _PASSED
        return self._failed(test, test.causes[rng.random() < _SECOND_CAUSE], None, at)

    def _chance(self, test: CatalogueTest, device: int, at: int, ordinal: int) -> float:
        if test.kind == DEVICE_BOUND:
            return test.bound_rate if device == test.bound_to else test.rate
        if test.kind == CHANGING:
            return test.rate_at(at, ordinal)
        if test.kind == DEPENDENT:
            return self._device_day(test, device, ordinal)
        return test.rate

    def _device_day(self, test: CatalogueTest, device: int, ordinal: int) -> float:
        """A dependent test's chance on one device and day: beta around its rate."""
        key = (test.index, device, ordinal)
        if key not in self._device_days:
            size = (1 - DEVICE_DAY_CORRELATION) / DEVICE_DAY_CORRELATION
            rng = stream("device day", *self._key, *key)
            self._device_days[key] = rng.betavariate(test.rate * size, (1 - test.rate) * size)
        return self._device_days[key]

    def _failed(self, test: CatalogueTest, cause_id: str, outage: Outage | None, at: int) -> Outcome:
        cause = BY_ID[cause_id]
        reason, edits = failure_reason(cause, at, self._rng)
        text = message(cause, test.test_frame, self._rng)
        return Outcome(
            "FAILED",
            cause_of(outage) if outage else cause_id,
            outage and outage.outage_id,
            text,
            reason,
            edits,
        )

    def _blocked(self, test: CatalogueTest, cause_id: str, outage: Outage | None) -> Outcome:
        cause = BY_ID[cause_id]
        has_device = cause_id not in _WITHOUT_DEVICE and (outage is None or self._rng.random() < 0.7)
        return Outcome(
            "BLOCKED",
            cause_id,
            outage and outage.outage_id,
            message(cause, test.test_frame, self._rng),
            blocked_reason(cause, self._rng),
            has_device=has_device,
        )

    def _in_outage(self, test: CatalogueTest, outage: Outage, at: int) -> Outcome:
        rng = self._rng
        draw = rng.random()
        if draw < OUTAGE_BLOCKED:
            return self._blocked(test, cause_of(outage), outage)
        if draw >= OUTAGE_BLOCKED + OUTAGE_LAB_WORDS:
            return self._failed(test, PRODUCT_CAUSES[int(rng.random() * len(PRODUCT_CAUSES))], outage, at)
        text = message(BY_ID[cause_of(outage)], test.test_frame, rng)
        reason = BY_ID[cause_of(outage)].reason if rng.random() < 0.3 else None
        return Outcome("FAILED", cause_of(outage), outage.outage_id, text, reason)
