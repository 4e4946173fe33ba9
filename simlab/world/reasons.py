"""The failure reason that the vendor or a person gives a run: right, absent, wrong, or changed later."""

from __future__ import annotations

from random import Random

from simlab.world.causes import Cause
from simlab.world.model import Edit
from simlab.world.randomness import DAY, HOUR

ABSENT, WRONG, OLD_NAME, EDITED = 0.35, 0.05, 0.3, 0.08
# Of the vendor's categories application, scripting, test data and environment: a wrong one still counts as the test's.
_OFTEN_MISTAKEN = (
    "Assertion failed", "Element not found", "App failure", "Popup handling", "Backend error", "Test data",
    "App management", "Element not interactable",
)  # fmt: skip


def failure_reason(failing: Cause, at: int, rng: Random) -> tuple[str | None, tuple[Edit, ...]]:
    """The name as it is first shown, and the edits that come hours or days after the run's start, `at`."""
    right = failing.reason
    if right == "App crashed" and rng.random() < OLD_NAME:
        right = "Application crashed"
    draw = rng.random()
    if draw < ABSENT:
        first = None
    elif draw < ABSENT + WRONG:
        first = _OFTEN_MISTAKEN[int(rng.random() * len(_OFTEN_MISTAKEN))]
    else:
        first = right
    if rng.random() >= EDITED:
        return first, ()
    corrected = None if first == right else right
    return first, (Edit(at + HOUR + int(rng.random() * 5 * DAY), corrected),)


def blocked_reason(failing: Cause, rng: Random) -> str | None:
    """A blocked run's reason is the system's own: nearly always there and right."""
    return failing.reason if rng.random() < 0.95 else None
