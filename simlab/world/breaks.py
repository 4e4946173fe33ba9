"""Builds that truly broke tests: every attempt in such a build fails, on whatever device.

Time is cut into blocks of 30 days, and a test takes part in at most one break per block: so in any 30 days a test
has at most two broken builds, and a test of rate 0 can never look as if it alternated by itself.
"""

from __future__ import annotations

from simlab.world.catalogue import ALWAYS_PASSES, FLAKY, Catalogue
from simlab.world.causes import PRODUCT_CAUSES
from simlab.world.randomness import fraction, stream

BLOCK_DAYS = 30
_TESTS_PER_BREAK = (4, 2, 2, 1, 1)
_FLAKY_TESTS_BROKEN = 0.3


class Breaks:
    """Which tests are broken in which builds of one farm."""

    def __init__(self, seed: int, connection: str, farm: int, catalogue: Catalogue) -> None:
        self._key = (seed, connection, farm)
        self._catalogue = catalogue
        self._block: tuple[int, dict[tuple[int, str, int], dict[int, str]]] = (-1, {})

    def in_build(self, ordinal: int, job: str, slot: int) -> dict[int, str]:
        """Index of each broken test of that build, with its cause."""
        block = ordinal // BLOCK_DAYS
        if self._block[0] != block:
            self._block = (block, self._draw(block))
        return self._block[1].get((ordinal, job, slot), {})

    def _draw(self, block: int) -> dict[tuple[int, str, int], dict[int, str]]:
        found: dict[tuple[int, str, int], dict[int, str]] = {}
        for project in sorted(self._catalogue.of_project):
            jobs = [j for j in self._catalogue.jobs if j.project == project and j.variants_per_test == 1]
            if not jobs:
                continue
            rng = stream("breaks", *self._key, project, block)
            tests = [
                t.index
                for t in self._catalogue.of_project[project]
                if t.kind == ALWAYS_PASSES
                or (t.kind == FLAKY and fraction("breakable", *self._key, t.index) < _FLAKY_TESTS_BROKEN)
            ]
            rng.shuffle(tests)
            for size in _TESTS_PER_BREAK:
                job = jobs[int(rng.random() * len(jobs))]
                day = block * BLOCK_DAYS + int(rng.random() * BLOCK_DAYS)
                slot = int(rng.random() * len(job.hours))
                cause_id = PRODUCT_CAUSES[int(rng.random() * len(PRODUCT_CAUSES))]
                broken, tests = tests[:size], tests[size:]
                found.setdefault((day, job.name, slot), {}).update(dict.fromkeys(broken, cause_id))
        return found
