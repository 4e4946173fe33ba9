"""One simulated Enterprise Tester server: manual runs of assigned scripts over the world's days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cached_property
from random import Random

from simlab.world.causes import BY_ID
from simlab.world.causes.words import fill
from simlab.world.manual_scripts import ManualCatalogue, ManualTest
from simlab.world.model import Assignment, Package, Project, ScriptRun, StepResult
from simlab.world.randomness import DAY, HOUR, MINUTE, SECOND, guid, midnight, stream

RUNS_PER_DAY = 7
BLOCKED_SHARE, UNDETERMINED_SHARE, NOT_RUN_SHARE, EDITED_SHARE = 0.04, 0.04, 0.03, 0.12
STILL_OPEN = 6  # assignments whose newest run was begun and never finished
_STEPS = (
    ("Sign in at the desk", "The desk opens"),
    ("Choose the customer", "The customer's page is shown"),
    ("Do what the script's name says", "It is done without a message"),
    ("Check the printout", "Everything on it is right"),
    ("Sign out", "The sign-in page is shown"),
)


def duration_text(minutes: float, rng: Random) -> str | None:
    """What a person enters as the actual duration: the forms that real servers hold, and nonsense."""
    whole = max(1, round(minutes))
    hours, rest = divmod(whole, 60)
    forms = (
        f"{whole} minutes", f"{whole} minutes", f"{whole} minutes", f"{hours}h {rest}m", f"{hours:02d}:{rest:02d}",
        f"{hours}:{rest:02d}:30", f"{whole} min", f"{whole * 60} seconds", "1 hour, 30 minutes", "2 days", "0.5 d",
        "1 week and 1 day", "", None, "about a coffee", "?", "5minutes",
    )  # fmt: skip
    return forms[int(rng.random() * len(forms))]


class ManualTesting:
    """Implements `simlab.world.model.EnterpriseTesterWorld`."""

    def __init__(self, seed: int, connection: str, first_day: date, days: int) -> None:
        self.connection = connection
        self._key = (seed, connection)
        self._first, self._last = first_day.toordinal(), first_day.toordinal() + days - 1
        self.catalogue = ManualCatalogue(seed, connection)
        self._active = [t for t in self.catalogue.tests if t.frequency > 0]
        self._total = sum(t.frequency for t in self._active)

    def projects(self) -> Sequence[Project]:
        return self.catalogue.projects

    def packages(self, project_id: str) -> Sequence[Package]:
        return [p for p in self.catalogue.packages if p.project_id == project_id]

    def assignments(self, project_id: str) -> Sequence[Assignment]:
        return [t.assignment for t in self.catalogue.tests if t.assignment.project_id == project_id]

    def script_runs(self, assignment_id: str) -> Sequence[ScriptRun]:
        return self._by_assignment.get(assignment_id, ())

    @cached_property
    def _by_assignment(self) -> dict[str, list[ScriptRun]]:
        """A few runs a day fit in memory for years of days."""
        runs: dict[str, list[ScriptRun]] = {}
        for ordinal in range(self._first, self._last + 1):
            for run in self._runs_on(ordinal):
                runs.setdefault(run.assignment_id, []).append(run)
        for position, test in enumerate(self._active):
            of_test = runs.get(test.assignment.id, [])
            of_test.sort(key=lambda run: run.created_at, reverse=True)
            if of_test and position % 5 == 2 and position // 5 < STILL_OPEN:
                of_test[0] = self._left_open(of_test[0])
        return runs

    def _runs_on(self, ordinal: int) -> list[ScriptRun]:
        rng = stream("manual runs", *self._key, ordinal)
        is_weekend = ordinal % 7 in (6, 0)
        found = []
        for test in self._active:
            if rng.random() < (0.25 if is_weekend else 1.2) * RUNS_PER_DAY * test.frequency / self._total:
                at = midnight(ordinal) + 7 * HOUR + int(rng.random() * 10 * HOUR)
                found.append(self._run(test, ordinal, at - at % SECOND, rng))
        return found

    def _run(self, test: ManualTest, ordinal: int, at: int, rng: Random) -> ScriptRun:
        assignment = test.assignment
        draw, cause_id = rng.random(), None
        if draw < BLOCKED_SHARE:
            status = "Blocked"
        elif draw < BLOCKED_SHARE + UNDETERMINED_SHARE:
            status = "Undetermined"
        elif draw < BLOCKED_SHARE + UNDETERMINED_SHARE + NOT_RUN_SHARE:
            status = "Not Run"
        elif rng.random() < test.rate:
            status, cause_id = "Failed", test.cause_id
        else:
            status = "Passed"
        minutes = test.minutes * (0.6 + 0.9 * rng.random())
        text = duration_text(minutes, rng)
        edited_at = None
        completed_at = at + int(minutes * MINUTE) // SECOND * SECOND
        if rng.random() < EDITED_SHARE:
            edited_at = completed_at + HOUR + int(rng.random() * 3 * DAY) // SECOND * SECOND
        return ScriptRun(
            id=guid("script run", *self._key, assignment.id, ordinal),
            assignment_id=assignment.id,
            script_id=assignment.script_id,
            script_version=test.version,
            created_at=at,
            completed_at=completed_at,
            actual_duration=text,
            edited_at=edited_at,
            edited_duration=f"{round(minutes) + 1} minutes" if edited_at else None,
            run_by=assignment.assigned_to,
            run_by_id=assignment.assigned_to_id,
            status=status,
            steps=self._steps(test, ordinal, status, rng),
            cause_id=cause_id,
        )

    def _steps(self, test: ManualTest, ordinal: int, status: str, rng: Random) -> tuple[StepResult, ...]:
        """Passed up to the step that decided the run, not run after it."""
        count = 2 + int(rng.random() * (len(_STEPS) - 1))
        decisive = int(rng.random() * count)
        outcome = {"Failed": "Failed", "Blocked": "Blocked", "Undetermined": "Undetermined"}.get(status)
        found = []
        for index, (description, expected) in enumerate(_STEPS[:count]):
            result, actual = "Passed", "as expected" if rng.random() < 0.3 else None
            if status == "Not Run" or (outcome and index > decisive):
                result, actual = "NotRun", None
            elif outcome and index == decisive:
                result = outcome
                actual = {
                    "Failed": self._failure_text(test, rng),
                    "Blocked": "The desk was switched off",
                }.get(outcome)
            found.append(
                StepResult(
                    id=guid("step result", *self._key, test.assignment.id, ordinal, index),
                    description=description,
                    data="customer: Owusu" if index == 1 else None,
                    notes="see chat" if rng.random() < 0.05 else None,
                    expected_result=expected,
                    actual_result=actual,
                    outcome=result,
                )
            )
        return tuple(found)

    def _failure_text(self, test: ManualTest, rng: Random) -> str:
        wordings = BY_ID[test.cause_id].wordings
        return fill(wordings[int(rng.random() * len(wordings))].text, rng)

    def _left_open(self, run: ScriptRun) -> ScriptRun:
        """The same run, but its person went home in the middle of it."""
        steps = tuple(
            StepResult(
                s.id,
                s.description,
                s.data,
                s.notes,
                s.expected_result,
                None,
                "Passed" if i == 0 else "NotRun",
            )
            for i, s in enumerate(run.steps)
        )
        return ScriptRun(
            id=run.id,
            assignment_id=run.assignment_id,
            script_id=run.script_id,
            script_version=run.script_version,
            created_at=run.created_at,
            completed_at=run.completed_at,
            actual_duration=run.actual_duration if run.created_at % 3 else None,
            edited_at=None,
            edited_duration=None,
            run_by=run.run_by,
            run_by_id=run.run_by_id,
            status="In Progress",
            steps=steps,
        )
