"""The default world: one cloud or server of each vendor, its hard parameters, and its truth."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from simlab.world import (
    catalogue,
    causes,
    enterprise_tester,
    hcl,
    oddities,
    outages,
    outcomes,
    perfecto,
    reasons,
    runs,
)
from simlab.world.breaks import BLOCK_DAYS
from simlab.world.causes import words
from simlab.world.enterprise_tester import ManualTesting
from simlab.world.fleet import FARM_SIZE
from simlab.world.hcl import HclServer
from simlab.world.perfecto import PerfectoCloud
from simlab.world.schedule import DOUBLE_BOOKED
from simlab.world.truth import write_truth


class Lab:
    """Implements `simlab.world.model.World`."""

    def __init__(self, seed: int, first_day: date, days: int, density: float) -> None:
        self.seed, self.density = seed, density
        self.perfecto = [PerfectoCloud(seed, "acme", first_day, days, density)]
        self.hcl = [HclServer(seed, "ots", first_day, days)]
        self.enterprise_tester = [ManualTesting(seed, "et", first_day, days)]

    def parameters(self) -> dict[str, object]:
        cloud = self.perfecto[0]
        tests = [test for of_farm in cloud.catalogues for test in of_farm.tests]
        kinds = [test.kind for test in tests]
        return {
            "seed": self.seed,
            "first_day": cloud.first_day().isoformat(),
            "last_day": cloud.last_day().isoformat(),
            "density": self.density,
            "test_runs_per_working_day": round(perfecto.RUNS_PER_FARM_DAY * self.density),
            "devices": FARM_SIZE * cloud.farms,
            "tests": len(tests),
            "tests_that_never_fail": kinds.count(catalogue.ALWAYS_PASSES),
            "tests_that_always_fail": kinds.count(catalogue.ALWAYS_FAILS),
            "flaky_tests": kinds.count(catalogue.FLAKY),
            "flaky_tests_bound_to_a_device": kinds.count(catalogue.DEVICE_BOUND),
            "flaky_tests_with_dependent_runs": kinds.count(catalogue.DEPENDENT),
            "correlation_within_a_device_day": catalogue.DEVICE_DAY_CORRELATION,
            "tests_that_regress_or_are_fixed": kinds.count(catalogue.CHANGING),
            "days_between_changes_of_such_a_test": catalogue.CHANGE_EVERY_DAYS,
            "failure_rates": f"log-uniform {catalogue.LOWEST_RATE:.1%} to {catalogue.HIGHEST_RATE:.0%}",
            "attempts_at_most": catalogue.MAX_ATTEMPTS,
            "broken_builds": f"at most one per test in each {BLOCK_DAYS} days",
            "renames": f"{sum(t.rename_phase is not None for t in tests)} tests, each {catalogue.RENAME_EVERY_DAYS} days",
            "outages": f"1-2 devices in {outages.DEVICE_BLOCK_DAYS} days, a location in "
            f"{outages.LOCATION_BLOCK_DAYS}, the connection in {outages.CONNECTION_BLOCK_DAYS}",
            "outage_failures_that_look_like_assertions": round(
                1 - outcomes.OUTAGE_BLOCKED - outcomes.OUTAGE_LAB_WORDS, 2
            ),
            "blocked_outside_outages": outcomes.BLOCKED_SHARE,
            "unknown": outcomes.UNKNOWN_SHARE,
            "unknown_without_end": outcomes.NO_END_SHARE,
            "late_by_hours": runs.LATE_SHARE,
            "double_booked_when_busy": DOUBLE_BOOKED,
            "odd_runs": oddities.DRAWN_SHARE,
            "oddities": len(oddities.ODDITIES),
            "causes": len(causes.BY_ID),
            "wordings": sum(len(cause.wordings) for cause in causes.BY_ID.values()),
            "messages_truncated": words.TRUNCATED,
            "messages_with_page_dump": words.DUMPED,
            "failure_reason_absent": reasons.ABSENT,
            "failure_reason_wrong": reasons.WRONG,
            "failure_reason_edited_later": reasons.EDITED,
            "server_executions_per_day": sum(hcl.PROJECTS.values()),
            "manual_runs_per_day": enterprise_tester.RUNS_PER_DAY,
        }

    def write_truth(self, folder: str) -> None:
        write_truth(Path(folder), self.perfecto, self.enterprise_tester)
