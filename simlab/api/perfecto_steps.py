"""The logical steps of one test and their commands, as the export shows them at a given time."""

from __future__ import annotations

from collections.abc import Sequence

from simlab.api.answers import draw, encode
from simlab.api.perfecto_records import GSON_ESCAPES, signed_url
from simlab.world.model import Command, Step, TestRun


def encode_steps(run: TestRun, steps: Sequence[Step], connection: str, now: int, is_settled: bool) -> bytes:
    """The `resources` array in JSON, escaped as the vendor's server escapes."""
    body = encode(
        [
            _step(step, run, connection, now, is_settled)
            for step in steps
            if step.started_at is None or step.started_at <= now
        ]
    )
    for character, escape in GSON_ESCAPES:
        body = body.replace(character, escape)
    return body


def _step(step: Step, run: TestRun, connection: str, now: int, is_settled: bool) -> dict[str, object]:
    record: dict[str, object] = {"testExecutionId": run.id}
    if step.name is not None:
        record["name"] = step.name
    if step.started_at is not None:
        record["startTime"] = step.started_at
    if step.ended_at is not None and (is_settled or step.ended_at <= now):
        record["endTime"] = step.ended_at
    record["commands"] = [
        _command(command, f"{run.id}/{number}", connection)
        for number, command in enumerate(step.commands)
        if is_settled or command.ended_at <= now
    ]
    return record


def _command(command: Command, key: str, connection: str) -> dict[str, object]:
    dice = draw(key, "command", 1 << 32)
    record: dict[str, object] = {"name": command.name, "status": command.status}
    if command.message is not None:
        record["message"] = command.message
    record |= {
        "startTime": command.started_at,
        "endTime": command.ended_at,
        "uxDuration": 0 if dice % 2 else (command.ended_at - command.started_at) * 7 // 10,
    }
    if command.has_screenshot:
        file_name = key.replace("/", "-") + ".png"
        record["screenshots"] = [signed_url(connection, "download-01/report-artifact", file_name)]
    if command.parameters:
        record["parameters"] = [
            {"name": name, "value": value}
            if attributes is None
            else {"name": name, "value": value, "attributes": attributes}
            for name, value, attributes in command.parameters
        ]
    if dice // 2 % 5 == 0:
        _add_comparison(record, command, key, connection, with_image=dice // 10 % 3 == 0)
    return record


def _add_comparison(
    record: dict[str, object], command: Command, key: str, connection: str, with_image: bool
) -> None:
    """What was expected and what was found; an image on some commands, in a type the vendor's schema leaves out."""
    expected: list[dict[str, str]] = [{"type": "TEXT", "value": "found"}]
    if with_image:
        file_name = key.replace("/", "-") + "-needle.png"
        needle = signed_url(connection, "download-01/report-artifact", file_name)
        expected.append({"type": "IMAGE_KEY", "value": needle})
        record["expectedImages"] = [{"imagePath": needle}]
    record["expectedData"] = expected
    found = "found" if command.status == "SUCCESS" else "not found"
    record["resultData"] = [{"type": "TEXT", "value": found}]
