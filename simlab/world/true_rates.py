"""The long-run share of failing attempts of a test, as its devices and re-runs make it."""

from __future__ import annotations

from simlab.world.catalogue import (
    ALWAYS_FAILS,
    ALWAYS_PASSES,
    CHANGING,
    DEVICE_BOUND,
    MAX_ATTEMPTS,
    Catalogue,
    CatalogueTest,
)
from simlab.world.randomness import DAY, midnight

NEVER_FAILS, FLAKY_STATE, BROKEN, REGRESSED, FIXED = "never_fails", "flaky", "broken", "regressed", "fixed"


def failure_probability(test: CatalogueTest, catalogue: Catalogue, first: int, last: int) -> float:
    """Expected failing attempts / attempts over the world's days; outages, breaks and blocked runs aside."""
    if test.kind == CHANGING:
        return _mean_rate(test, first, last)
    if test.kind != DEVICE_BOUND:
        return test.rate
    attempts = failures = 0.0
    steps = (0.0, *test.variant_steps, 1.0)
    jobs = [job for job in catalogue.jobs if job.project == test.project.name]
    for job in jobs:
        for index, variant in enumerate(test.variants):
            # a matrix job runs two of the variants each time: the drawn one and the first other
            weight = job.share * len(job.hours) * (steps[index + 1] - steps[index])
            if job.variants_per_test > 1 and len(test.variants) > 1:
                drawn = steps[index + 1] - steps[index]
                other = 1 - steps[1] if index == 0 else (steps[1] if index == 1 else 0.0)
                weight = job.share * len(job.hours) * (drawn + other)
            expected_attempts, expected_failures = _chain(test, variant, 1 + job.retries)
            attempts += weight * expected_attempts
            failures += weight * expected_failures
    return failures / attempts


def _chain(test: CatalogueTest, variant: str, most: int) -> tuple[float, float]:
    """Expected attempts and failures of one test in one build, each attempt on another device while there is one."""
    devices, weights = test.devices[variant]

    def go(left: dict[int, float], attempt: int) -> tuple[float, float]:
        attempts = failures = 0.0
        total = sum(left.values())
        for device, weight in left.items():
            share = weight / total
            rate = test.bound_rate if device == test.bound_to else test.rate
            attempts += share
            failures += share * rate
            if attempt < min(most, MAX_ATTEMPTS) and rate > 0:
                others = {d: w for d, w in left.items() if d != device} or dict(
                    zip(devices, weights, strict=True)
                )
                more_attempts, more_failures = go(others, attempt + 1)
                attempts += share * rate * more_attempts
                failures += share * rate * more_failures
        return attempts, failures

    return go(dict(zip(devices, weights, strict=True)), 1)


def _mean_rate(test: CatalogueTest, first: int, last: int) -> float:
    """Of a changing test: its rates weighted by the time that each held."""
    total = 0.0
    for ordinal in range(first, last + 1):
        change = test.change_on(ordinal)
        start, end = midnight(ordinal), midnight(ordinal) + DAY
        split = min(max(change, start), end)
        total += test.rate_at(start, ordinal) * (split - start) + test.rate_at(end - 1, ordinal) * (
            end - split
        )
    return total / ((last - first + 1) * DAY)


def changes(test: CatalogueTest, first: int, last: int) -> list[tuple[int, float, float]]:
    """When a changing test changed within the days, with the rate before and after."""
    if test.kind != CHANGING:
        return []
    instants = sorted({test.change_on(ordinal) for ordinal in range(first, last + 1)})
    begin, end = midnight(first), midnight(last + 1)
    found = []
    for at in instants:
        if begin <= at < end:
            ordinal = at // DAY + first - begin // DAY
            found.append((at, test.rate_at(at - 1, ordinal), test.rate_at(at, ordinal)))
    return found


def state(test: CatalogueTest, first: int, last: int) -> str:
    """What the test truly is by the end of the days. Its last change decides, if it lies within them."""
    changed = changes(test, first, last)
    if changed:
        _, before, after = changed[-1]
        return REGRESSED if after > before else FIXED
    rate = test.rate_at(midnight(last + 1) - 1, last)
    if test.kind == ALWAYS_PASSES or (rate == 0 and test.kind != DEVICE_BOUND):
        return NEVER_FAILS
    return BROKEN if test.kind == ALWAYS_FAILS or rate == 1 else FLAKY_STATE
