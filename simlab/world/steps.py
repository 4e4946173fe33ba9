"""The steps and commands of a run, drawn from its id: nothing is kept."""

from __future__ import annotations

from random import Random

from simlab.world.model import Command, Step, TestRun
from simlab.world.names import MANUAL_SESSION_NAME
from simlab.world.randomness import SECOND, stream

_STEP_NAMES = (
    "Sign in",
    "Prepare the data",
    "Open the screen",
    "Do it",
    "Check the result",
    "Clean up",
    "Test step",
)
_COMMANDS = (
    "Find element", "Click", "type", "AI Validation", "Wait for element", "Get text", "Swipe", "Take screenshot",
    "Launch application", "Get attribute", "Press key", "Set location",
)  # fmt: skip
WITHOUT_STEPS, EMPTY_STEP, NAMELESS_FIRST = 0.02, 0.05, 0.25


def steps_of(run: TestRun) -> list[Step]:
    """Two to four steps inside the run's own times; the command that failed a run is the last and has its message."""
    end = run.ended_at if run.ended_at is not None else run.started_at + 20 * SECOND
    rng = stream("steps", run.id)
    if run.name == MANUAL_SESSION_NAME:
        return [Step(None, None, None, tuple(_commands(rng, run.started_at, end, 2, None)))]
    if not run.devices or rng.random() < WITHOUT_STEPS:
        return []
    count = 2 + int(rng.random() * 3)
    bounds = sorted(run.started_at + int(rng.random() * (end - run.started_at)) for _ in range(count - 1))
    bounds = [run.started_at, *bounds, end]
    is_failed = run.status in ("FAILED", "BLOCKED")
    has_nameless = rng.random() < NAMELESS_FIRST
    empty = int(rng.random() * (count - 1)) if rng.random() < EMPTY_STEP else None
    found = []
    for index in range(count):
        begin, stop = bounds[index], bounds[index + 1]
        failure = run.message if index == count - 1 and is_failed else None
        commands = (
            () if index == empty else tuple(_commands(rng, begin, stop, 2 + int(rng.random() * 4), failure))
        )
        if index == 0 and has_nameless:
            found.append(Step(None, None, None, commands))
        else:
            found.append(Step(_STEP_NAMES[int(rng.random() * len(_STEP_NAMES))], begin, stop, commands))
    return found


def _commands(rng: Random, start: int, end: int, count: int, failure: str | None) -> list[Command]:
    found = []
    width = max(1, (end - start) // count)
    for index in range(count):
        begin = min(end, start + index * width)
        stop = min(end, begin + int(rng.random() * width))
        name = _COMMANDS[int(rng.random() * len(_COMMANDS))]
        parameters: tuple[tuple[str, str, str | None], ...] = ()
        if name == "type":
            is_secret = rng.random() < 0.3
            parameters = (
                ("label", "password" if is_secret else "user name", None),
                ("text", "***" if is_secret else "amelia", "SENSITIVE" if is_secret else None),
            )
        elif name == "Find element":
            parameters = (
                (("by", "id", None), ("token", "***", "HIDDEN"))
                if rng.random() < 0.1
                else (("by", "xpath", None),)
            )
        is_last = index == count - 1 and failure is not None
        found.append(
            Command(
                name=name,
                status="FAILURE" if is_last else "SUCCESS",
                started_at=begin,
                ended_at=end if is_last else stop,
                message=failure if is_last else ("" if rng.random() < 0.2 else None),
                parameters=parameters,
                has_screenshot=is_last or name == "Take screenshot",
            )
        )
    return found
