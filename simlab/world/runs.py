"""Writes the run of an attempt with everything that the vendor keeps about it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from simlab.world.catalogue import CatalogueTest
from simlab.world.model import Device, TestRun
from simlab.world.names import CI_ACCOUNT
from simlab.world.oddities import DRAWN, DRAWN_SHARE, ONLY_ON_DESKTOP, ONLY_ON_MOBILE, ONLY_ON_PASSED
from simlab.world.outcomes import Outcome
from simlab.world.randomness import DAY, HOUR, MINUTE, SECOND, hex_digits, midnight, utc

LATE_SHARE = 0.008  # of the runs: listed hours after their end
OWN_EXTERNAL_ID = 0.7  # of the later attempts; the others share their driver's with the attempt before
_LOCALES = ("de-DE", "en-US", "fr-FR", "ja-JP", "pt-BR", "en-GB")
_ACCOUNTS = ("amelia", "bruno", "chiara", "dmitri", "esther", "no account")


@dataclass(frozen=True, slots=True)
class Build:
    job: str
    number: int
    branch: str
    trigger: str


class RunWriter:
    """The runs of one farm's plan of one day, in the order in which they were planned."""

    def __init__(
        self,
        key: tuple[object, ...],
        ordinal: int,
        rng: Random,
        devices: list[Device],
        devices_next_day: list[Device],
    ) -> None:
        self.written: list[TestRun] = []
        self._rng = rng
        self._ordinal = ordinal
        self._next_midnight = midnight(ordinal + 1)
        self._devices = (devices, devices_next_day)
        self._salt = hex_digits(10, "run", *key, ordinal)
        turn = ordinal % len(DRAWN)
        self._due = [*DRAWN[turn:], *DRAWN[:turn]]
        days = (utc(midnight(ordinal)), utc(self._next_midnight))
        self._day_texts = tuple(f"{d:%y-%m-%d}" for d in days)

    def test(
        self,
        test: CatalogueTest,
        devices: tuple[int, ...],
        start: int,
        end: int,
        outcome: Outcome,
        build: Build | None,
        external_id: str | None,
        attempt: int,
        is_double_booking: bool,
    ) -> str:
        """Adds one attempt, and answers its external id."""
        rng = self._rng
        is_next_day = start >= self._next_midnight
        shown = tuple(self._devices[is_next_day][d] for d in devices) if outcome.has_device else ()
        owner = CI_ACCOUNT if build and rng.random() < 0.7 else test.owner
        oddity = self._oddity(outcome, shown, attempt, build, is_double_booking)
        if external_id is None or rng.random() < OWN_EXTERNAL_ID:
            external_id = self._external_id(owner, start, is_next_day, shown)
        if oddity == "impossible_external_id":
            hour = start // HOUR % 24
            external_id = (
                f"{owner.split('@')[0]}_RemoteWebDriver_08-08-16_{hour:02d}_66_36_{len(self.written)}"
            )
        number = build and build.number
        tags = test.tags
        if len(tags) > 1:
            turn = int(rng.random() * len(tags))
            tags = tags[turn:] + tags[:turn]
        ended_at = end if outcome.has_end else None
        self._add(
            name=test.name_on(self._ordinal + is_next_day),
            started_at=start,
            ended_at=ended_at,
            external_id=external_id,
            owner=owner,
            status=outcome.status,
            devices=shown,
            visible_at=self._visible_at(end) if outcome.has_end else start + 5 * MINUTE,
            project_name=test.project_name,
            project_version=test.project.version,
            job_name=build and build.job,
            job_number=None if oddity == "job_without_number" else number,
            job_branch=build and build.branch,
            message=outcome.message,
            failure_reason_name=outcome.failure_reason_name,
            edits=outcome.edits,
            tags=tags,
            parameters=self._parameters(),
            custom_fields=(("reviewed by", None), ("stage", "staging")) if rng.random() < 0.2 else (),
            automation_framework=test.project.framework if rng.random() < 0.9 else None,
            trigger_type=build.trigger if build else ("Manual" if rng.random() < 0.5 else None),
            oddity=oddity,
            cause_id=outcome.cause_id,
            outage_id=outcome.outage_id,
        )
        return external_id

    def manual(
        self, name: str, person: str, device: int, start: int, end: int, is_double_booking: bool
    ) -> None:
        """Adds a session of a person at a device."""
        is_next_day = start >= self._next_midnight
        shown = (self._devices[is_next_day][device],)
        self._add(
            name=name,
            started_at=start,
            ended_at=end,
            external_id=self._external_id(person, start, is_next_day, shown),
            owner=person,
            status="UNKNOWN" if self._rng.random() < 0.6 else "PASSED",
            devices=shown,
            visible_at=self._visible_at(end),
            trigger_type="Manual",
            oddity="double_booking" if is_double_booking else None,
        )

    def _add(self, *, started_at: int, **fields: object) -> None:
        number = len(self.written)
        run_id = f"{started_at // SECOND:08x}{self._salt}{number:06x}"
        self.written.append(TestRun(id=run_id, started_at=started_at, **fields))  # type: ignore[arg-type]

    def _visible_at(self, end: int) -> int:
        draw = self._rng.random()
        if draw < LATE_SHARE:
            return end + 2 * HOUR + int(draw / LATE_SHARE * DAY)
        return end + 3 * SECOND + int(draw * 80 * SECOND)

    def _parameters(self) -> tuple[tuple[str, str], ...]:
        draw = self._rng.random()
        if draw < 0.3:
            return ()
        locale = ("locale", _LOCALES[int(draw * 1000) % 6])
        return (locale,) if draw < 0.6 else (locale, ("account", _ACCOUNTS[int(draw * 10_000) % 6]))

    def _external_id(self, owner: str, start: int, is_next_day: bool, shown: tuple[Device, ...]) -> str:
        number = len(self.written)
        if shown and shown[0].device_type == "DESKTOP":
            return (
                f"1_{self._salt[:8]}-{number:04d}-{start % 10_000:04d}@@100.66.239.{number % 250}@@{number}"
            )
        draw = self._rng.random()
        if draw < 0.06:
            digits = f"{int(draw * 1e9):08x}"
            return f"{digits}-{number % 10_000:04d}-4a1b-a0c3-{self._salt}{start % 100:02d}"
        seconds = start // SECOND
        hour, minute, second = seconds // 3600 % 24, seconds // 60 % 60, seconds % 60
        kind = "controller" if draw < 0.12 else "RemoteWebDriver"
        day = self._day_texts[is_next_day]
        return f"{owner.split('@')[0]}_{kind}_{day}_{hour:02d}_{minute:02d}_{second:02d}_{number}"

    def _oddity(
        self,
        outcome: Outcome,
        shown: tuple[Device, ...],
        attempt: int,
        build: Build | None,
        is_double_booking: bool,
    ) -> str | None:
        if not outcome.has_end:
            return "no_end"
        if not shown:
            return "no_platforms"
        if is_double_booking:
            return "double_booking"
        if self._rng.random() >= DRAWN_SHARE:
            return None
        for place, name in enumerate(self._due):
            if _can_show(name, outcome, shown[0].device_type, attempt, build):
                self._due.append(self._due.pop(place))
                return name
        return None


def _can_show(name: str, outcome: Outcome, device_type: str, attempt: int, build: Build | None) -> bool:
    return not (
        (name in ONLY_ON_PASSED and (outcome.status != "PASSED" or attempt > 0))
        or (name.startswith("job_") and build is None)
        or (name in ONLY_ON_DESKTOP and device_type != "DESKTOP")
        or (name in ONLY_ON_MOBILE and device_type != "MOBILE")
    )
