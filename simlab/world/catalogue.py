"""The tests of one farm, the CI jobs that run them, and the people who own them.

What a test is (its name, its rate, its devices) never depends on the world's first or last day, so that two labs
with the same seed agree on every day they share.
"""

from __future__ import annotations

import math
import re
from bisect import bisect
from dataclasses import dataclass, replace
from random import Random

from simlab.world.causes import TEST_CAUSES
from simlab.world.fleet import Fleet
from simlab.world.names import NO_PROJECT_NAMES, PEOPLE, RENAMES, TAGS, test_names
from simlab.world.randomness import fraction, midnight, stream

ALWAYS_PASSES, FLAKY, DEVICE_BOUND, DEPENDENT, CHANGING, ALWAYS_FAILS = (
    "always_passes",
    "flaky",
    "device_bound",
    "dependent",
    "changing",
    "always_fails",
)
LOWEST_RATE, HIGHEST_RATE = 0.005, 0.5
CHANGE_EVERY_DAYS = (
    60  # a changing test breaks or is mended at this distance, so at most once in a mart's window
)
RENAME_EVERY_DAYS = 28
DEVICE_DAY_CORRELATION = 0.3  # of dependent tests: how alike the runs of one device and day are
MAX_ATTEMPTS = 3
SCAPEGOAT = 3  # a healthy device that gets more than its share of flaky tests
BAD_DEVICES = (1, 8, 11)  # what device-bound tests are bound to, for the tests that can run there

_KIND_SHARES = {
    ALWAYS_PASSES: 0.5,
    FLAKY: 0.225,
    DEVICE_BOUND: 0.075,
    DEPENDENT: 0.05,
    CHANGING: 0.1,
    ALWAYS_FAILS: 0.05,
}
_RARELY_RUN, _RARELY = 0.06, 0.05
_CHANGES_TO = (1.0, 0.6, 0.35, 0.8)  # how bad a changing test is while it is bad


@dataclass(frozen=True, slots=True)
class Job:
    """A CI job: runs a share of its project's tests a few times a day. `hours` are those of its builds."""

    name: str
    project: str
    retries: int
    share: float
    hours: tuple[float, ...]
    branches: tuple[str, ...]
    trigger: str
    variants_per_test: int = 1  # 2: a matrix, each test on two variants of device


@dataclass(frozen=True, slots=True)
class Project:
    name: str | None
    version: str | None
    area: str
    tests: int
    variants: tuple[tuple[str, float], ...]  # of devices, with how often they are chosen
    framework: str


_ANDROID, _IOS = "MOBILE|ANDROID|", "MOBILE|IOS|"
_PROJECTS = (
    Project("Shop", "4.2", "shop", 38, ((_ANDROID, 0.6), (_IOS, 0.4)), "APPIUM"),
    Project("Bank", "11.0", "bank", 34, ((_ANDROID, 0.5), (_IOS, 0.4), ("SIMULATOR|IOS|", 0.1)), "XCUI"),
    Project("Travel", "1.0", "travel", 24, ((_ANDROID, 0.8), ("SIMULATOR|ANDROID|", 0.2)), "ESPRESSO"),
    Project(
        "Web portal",
        None,
        "portal",
        20,
        (
            ("DESKTOP|WINDOWS|CHROME", 0.5),
            ("DESKTOP|WINDOWS|MICROSOFT_EDGE", 0.3),
            ("DESKTOP|MAC|SAFARI", 0.2),
        ),
        "SELENIUM",
    ),
    Project(None, None, "probe", 4, ((_ANDROID, 1.0),), "QUANTUM"),
)
JOBS = (
    Job(
        "shop-commit",
        "Shop",
        2,
        0.6,
        (7.5, 10.2, 13.1, 16.4),
        ("main", "develop", "feature/checkout-2"),
        "CI/CD",
    ),
    Job("shop-nightly", "Shop", 2, 0.7, (1.0, 5.5, 19.0, 23.4), ("main",), "Scheduled"),
    Job("bank-regression", "Bank", 2, 0.65, (3.2, 9.0, 15.0, 21.6), ("main", "release/11.0"), "Scheduled"),
    Job("bank matrix", "Bank", 1, 0.3, (6.1, 12.3, 18.2, 22.5), ("main",), "CI/CD", variants_per_test=2),
    Job("travel-ci", "Travel", 0, 0.8, (8.0, 11.0, 14.0, 17.5), ("main", "develop"), "CI/CD"),
    Job("portal-smoke", "Web portal", 1, 0.65, (2.4, 8.6, 14.7, 20.3), ("main", "release/2024.1"), "CI/CD"),
)


@dataclass(frozen=True, slots=True)
class CatalogueTest:
    """A test as it truly is. `rate` is its chance to fail on one attempt, lab and broken builds aside."""

    index: int
    project: Project
    project_name: str | None
    base_name: str
    kind: str
    rate: float  # of a device-bound test: on the devices that it is not bound to
    bound_to: int | None  # index of the device that a device-bound test fails on
    bound_rate: float
    causes: tuple[str, ...]
    frequency: float
    owner: str
    median_seconds: float
    tags: tuple[str, ...]
    test_frame: str
    variants: tuple[str, ...]
    variant_steps: tuple[float, ...]
    devices: dict[str, tuple[tuple[int, ...], tuple[float, ...]]]  # variant: devices, cumulative weights
    second_device: bool
    rename_phase: int | None
    change_phase: int | None
    change_good: float
    change_bad: float

    def choose_variant(self, draw: float) -> str:
        return self.variants[bisect(self.variant_steps, draw)]

    def name_on(self, ordinal: int) -> str:
        """A renamed test has its new name from midnight of a day on."""
        if self.rename_phase is None:
            return self.base_name
        version = (ordinal + self.rename_phase) // RENAME_EVERY_DAYS
        return f"{self.base_name} {RENAMES[version % len(RENAMES)]}"

    def renamed_in(self, first: int, last: int) -> list[int]:
        """The days within (first, last] from which on another name is in use."""
        if self.rename_phase is None:
            return []
        return [d for d in range(first + 1, last + 1) if (d + self.rename_phase) % RENAME_EVERY_DAYS == 0]

    def change_on(self, ordinal: int) -> int:
        """The instant of the change in the period that `ordinal` lies in: a working hour of its first day."""
        period = (ordinal + (self.change_phase or 0)) // CHANGE_EVERY_DAYS
        first_day = period * CHANGE_EVERY_DAYS - (self.change_phase or 0)
        return midnight(first_day) + int((8 + 8 * fraction("change", self.index, period)) * 3_600_000)

    def rate_at(self, at: int, ordinal: int) -> float:
        """A changing test's chance to fail at an instant of a day; another test's is its `rate`."""
        if self.change_phase is None:
            return self.rate
        period = (ordinal + self.change_phase) // CHANGE_EVERY_DAYS
        if at < self.change_on(ordinal):
            period -= 1
        return self.change_bad if (period + self.index) % 2 else self.change_good


def weighted(weights: list[float]) -> tuple[float, ...]:
    """Cumulative shares without the last one, for `bisect`."""
    total, steps, sum_so_far = sum(weights), [], 0.0
    for weight in weights[:-1]:
        sum_so_far += weight / total
        steps.append(sum_so_far)
    return tuple(steps)


def _kinds(count: int) -> list[str]:
    """As many tests of each kind as its share says, rounded so that the sum is right."""
    found: list[str] = []
    share_so_far = 0.0
    for kind, share in _KIND_SHARES.items():
        share_so_far += share
        found += [kind] * (round(share_so_far * count) - len(found))
    return found


class Catalogue:
    """Projects, jobs and tests of one farm."""

    def __init__(self, seed: int, connection: str, farm: int, fleet: Fleet) -> None:
        self._key = (seed, connection, farm)
        self._suffix = f" {farm + 1}" if farm else ""
        self._by_variant: dict[str, list[int]] = {}
        for index, variant in enumerate(fleet.variants):
            self._by_variant.setdefault(variant, []).append(index)
        self.jobs = [replace(job, name=job.name + self._suffix) for job in JOBS]
        self._changing = 0
        self.tests: list[CatalogueTest] = []
        self.of_project: dict[str, list[CatalogueTest]] = {}
        for project in _PROJECTS:
            tests = self._tests_of(project)
            self.tests += tests
            self.of_project[project.name or ""] = tests

    def _tests_of(self, project: Project) -> list[CatalogueTest]:
        rng = stream("catalogue", *self._key, project.area)
        if project.name:
            names = test_names(project.area, project.tests)
            kinds = _kinds(project.tests)
            rng.shuffle(kinds)
        else:  # scripts that people run by hand
            names = [name + self._suffix for name in NO_PROJECT_NAMES[: project.tests]]
            kinds = [ALWAYS_PASSES, FLAKY, ALWAYS_FAILS, ALWAYS_PASSES]
        first = len(self.tests)
        return [self._test(project, first + i, names[i], kinds[i], rng) for i in range(project.tests)]

    def _test(self, project: Project, index: int, name: str, kind: str, rng: Random) -> CatalogueTest:
        span = math.log(HIGHEST_RATE / LOWEST_RATE)
        drawn_rate = LOWEST_RATE * math.exp(rng.random() * span)
        rate = {
            ALWAYS_PASSES: 0.0,
            ALWAYS_FAILS: 1.0,
            CHANGING: 0.0,
            DEVICE_BOUND: 0.01 * (drawn_rate < 0.05),
        }.get(kind, drawn_rate)
        variants = [v for v, _ in project.variants]
        weights = [w for _, w in project.variants]
        if kind == DEPENDENT:  # needs variants with enough devices to go to another one for each attempt
            kept = [i for i, v in enumerate(variants) if len(self._by_variant[v]) >= MAX_ATTEMPTS]
            if kept:
                variants, weights = [variants[i] for i in kept], [weights[i] for i in kept]
            else:
                kind = FLAKY
        bound_to = None
        if kind == DEVICE_BOUND:
            pool = [d for v in variants for d in self._by_variant[v] if len(self._by_variant[v]) > 1]
            bad = [d for d in BAD_DEVICES if d in pool] or pool
            bound_to = bad[int(rng.random() * len(bad))]
        devices = {v: self._device_weights(v, kind, bound_to, rng) for v in variants}
        is_rare = rng.random() < _RARELY_RUN
        is_renamed = kind != CHANGING and project.name is not None and index % 23 == 5
        change_phase = None
        if kind == CHANGING:  # steps of 37 spread the changes evenly over the period
            change_phase = (self._changing * 37 + self._key[2] * 7) % CHANGE_EVERY_DAYS
            self._changing += 1
        words = [w.capitalize() for w in re.sub(r"[^A-Za-z]+", " ", name).split()[:5]] or ["Test"]
        return CatalogueTest(
            index=index,
            project=project,
            project_name=project.name and project.name + self._suffix,
            base_name=name,
            kind=kind,
            rate=rate,
            bound_to=bound_to,
            bound_rate=0.35 + 0.55 * rng.random(),
            causes=tuple(rng.sample(TEST_CAUSES, 2)),
            frequency=_RARELY if is_rare else 0.6 + 0.8 * rng.random(),
            owner=PEOPLE[int(rng.random() * len(PEOPLE))],
            median_seconds=min(1500.0, 50 * math.exp(rng.random() * 3.2)),
            tags=tuple(rng.sample(TAGS, 1 + int(rng.random() * 4))) if rng.random() < 0.85 else (),
            test_frame=f"{project.area}.{project.area.capitalize()}Tests.{words[0].lower()}{''.join(words[1:])}",
            variants=tuple(variants),
            variant_steps=weighted(weights),
            devices=devices,
            second_device=project.name == "Shop" and "two phones" in name,
            rename_phase=index // 23 * 17 % RENAME_EVERY_DAYS if is_renamed else None,
            change_phase=change_phase,
            change_good=0.0 if rng.random() < 0.7 else 0.01,
            change_bad=_CHANGES_TO[int(rng.random() * len(_CHANGES_TO))],
        )

    def _device_weights(
        self,
        variant: str,
        kind: str,
        bound_to: int | None,
        rng: Random,
    ) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Where a test runs. Bad devices get more of the tests bound to them; the scapegoat more of the flaky."""
        devices = self._by_variant[variant]
        weights = []
        for device in devices:
            weight = 0.5 + rng.random()
            if device == bound_to:
                weight *= 3
            if device == SCAPEGOAT and kind in (FLAKY, ALWAYS_FAILS):
                weight *= 4
            weights.append(weight)
        return tuple(devices), tuple(w / sum(weights) for w in weights)
