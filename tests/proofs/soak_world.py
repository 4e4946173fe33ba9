"""The soak's world: sparse past days whose rows come late, a dense present, and an end after which nothing happens.

Everything in it is the simulated lab's; only when it shows is moved, so that what a day holds in the end is known
although the lab's clock is the real one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache

from simlab.api.perfecto_records import PROCESSING_TIME
from simlab.clock import HOUR, MINUTE, SECOND, day_of
from simlab.world.enterprise_tester import ManualTesting
from simlab.world.hcl import HclServer
from simlab.world.model import Device, EnterpriseTesterWorld, HclWorld, PerfectoWorld, ScriptRun, TestRun
from simlab.world.perfecto import PerfectoCloud

PAST_DAYS = 10
LOOK_BACK_DAYS = 2
_BETWEEN_ENDS = PROCESSING_TIME - 20 * SECOND
_SAMPLE = 40
_BUSY = 5  # runs a minute of so many farms; mostly it is 17


@dataclass(frozen=True)
class Time:
    """Of the soak, in milliseconds: when it begins, and when the last thing happens."""

    began: int
    quiet: int

    @property
    def first_day(self) -> date:
        return day_of(self.began) - timedelta(days=PAST_DAYS)

    @property
    def days(self) -> int:
        return (day_of(self.quiet) - self.first_day).days + 1


@dataclass(frozen=True)
class Servers:
    """What one lab serves."""

    perfecto: Sequence[PerfectoWorld] = ()
    hcl: Sequence[HclWorld] = ()
    enterprise_tester: Sequence[EnterpriseTesterWorld] = ()

    def parameters(self) -> dict[str, object]:
        return {}

    def write_truth(self, folder: str) -> None:
        raise NotImplementedError("what is true of a soak is a fresh ingest")


def cloud(seed: int, time: Time, runs_a_minute: float) -> BusyNow:
    """So many farms that these minutes have so many runs. Where nearly nobody tests at this hour, as on a Sunday evening,
    everything happens as many hours later as it takes.
    """
    sample = PerfectoCloud(seed, "acme", time.first_day, time.days, _SAMPLE)
    minutes = (time.quiet - time.began) / MINUTE
    later, runs = next(
        (hours * HOUR, runs)
        for hours in range(24)
        if (runs := _runs(sample, time.began - hours * HOUR, time.quiet - hours * HOUR)) > _BUSY * minutes
    )
    return BusyNow(seed, time, math.ceil(_SAMPLE * runs_a_minute * minutes / runs * 1.25), later)


def _runs(sample: PerfectoCloud, start: int, end: int) -> int:
    days = {day_of(start), day_of(end)}
    return sum(start <= run.started_at < end for day in days for run in sample.test_runs(day))


def servers(seed: int, time: Time) -> Servers:
    span = (time.first_day, time.days)
    return Servers(hcl=[HclServer(seed, "ots", *span)], enterprise_tester=[Unedited(time, seed, "et", *span)])


class BusyNow(PerfectoCloud):
    """A cloud of one farm until the soak begins, of many from then on, and of none after it."""

    def __init__(self, seed: int, time: Time, density: int, later: int) -> None:
        super().__init__(seed, "acme", time.first_day, time.days, density)
        self._sparse = PerfectoCloud(seed, "acme", time.first_day, time.days)
        self._time, self._later = time, later
        self._runs_shown = cache(self._shown)

    def test_runs(self, day: date) -> Sequence[TestRun]:
        return self._runs_shown(day)[0]

    def devices(self, at: int | None = None) -> Sequence[Device]:
        """Those of one farm: a list of thousands, every minute, would be all that this machine does."""
        return self._sparse.devices(at)

    def test_run(self, test_run_id: str) -> TestRun | None:
        found = self._sparse.test_run(test_run_id) or super().test_run(test_run_id)
        if found is None:
            return None
        return self._runs_shown(day_of(found.started_at + self._later))[1].get(test_run_id)

    def _shown(self, day: date) -> tuple[Sequence[TestRun], dict[str, TestRun]]:
        began, quiet = self._time.began, self._time.quiet
        runs = [run for run in self._moved(self._sparse.test_runs, day) if run.started_at < began]
        if day >= day_of(began):
            runs += [run for run in self._moved(super().test_runs, day) if began <= run.started_at]
        runs = [self._settled(run) for run in runs if run.started_at < quiet]
        age = (day_of(began) - day).days
        if age > 0:
            runs = self._late(runs, age)
        return runs, {run.id: run for run in runs}

    def _moved(self, test_runs: Callable[[date], Sequence[TestRun]], day: date) -> list[TestRun]:
        """The day's runs, with everything in them so much later."""
        later = self._later
        runs = [
            replace(
                run,
                started_at=run.started_at + later,
                ended_at=None if run.ended_at is None else run.ended_at + later,
                visible_at=run.visible_at + later,
                edits=tuple(replace(edit, at=edit.at + later) for edit in run.edits),
            )
            for before in ((1, 0) if later else (0,))
            for run in test_runs(day - timedelta(days=before))
        ]
        return [run for run in runs if day_of(run.started_at) == day]

    def _settled(self, run: TestRun) -> TestRun:
        """Known in the end, and not edited while days that nobody looks at again are not looked at."""
        edits = tuple(edit for edit in run.edits if edit.at < self._time.began)
        known = max(self._time.quiet, (run.ended_at or run.started_at) + 5 * SECOND)
        return replace(run, edits=edits, visible_at=min(run.visible_at, known))

    def _late(self, runs: list[TestRun], age: int) -> list[TestRun]:
        """Half of a past day shows only in the soak. Of a day past its look-back, some runs end only now, one after
        the other: until the last of them has, the vendor says that it is still preparing the day.
        """
        began, quiet = self._time.began, self._time.quiet
        draw = random.Random(age)
        until = (
            quiet if age <= LOOK_BACK_DAYS else began + (quiet - began - PROCESSING_TIME) * age // PAST_DAYS
        )
        shown = [
            replace(run, visible_at=draw.randrange(began, until)) if number % 2 else run
            for number, run in enumerate(runs)
        ]
        if age > LOOK_BACK_DAYS:
            ends = range(began, until, _BETWEEN_ENDS)
            for number, ended_at in enumerate(ends):
                shown[2 * number] = replace(
                    shown[2 * number], ended_at=ended_at, visible_at=ended_at + 5 * SECOND, oddity=None
                )
        return shown


class Unedited(ManualTesting):
    """Nothing that was run before the soak is edited in it: some edits show only in a sweep, once a week."""

    def __init__(self, time: Time, *world: object) -> None:
        super().__init__(*world)  # type: ignore[arg-type]
        self._time = time

    def script_runs(self, assignment_id: str) -> Sequence[ScriptRun]:
        return [
            replace(run, edited_at=None, edited_duration=None)
            if run.edited_at is not None and run.edited_at >= self._time.began
            else run
            for run in super().script_runs(assignment_id)
        ]
