"""The commands of one test over HTTP."""

from __future__ import annotations

import re

from simlab.server import Lab
from tests.simlab.serving import Reporting, serving
from tests.simlab.tiny_world import HOUR, MINUTE, NOON, SECOND, TinyPerfecto, test_run

RUN = test_run(1, NOON)


def commands(lab: Lab) -> dict[str, object]:
    answer = Reporting(lab).get(f"/{RUN.id}/commands")
    assert answer.status_code == 200
    return answer.json()


def test_steps_hold_commands_in_order_and_a_first_step_without_name_and_times() -> None:
    with serving(TinyPerfecto([RUN])) as lab:
        nameless, named, empty = commands(lab)["resources"]
        assert list(nameless) == ["testExecutionId", "commands"]
        assert nameless["testExecutionId"] == RUN.id
        assert (named["name"], named["startTime"], named["endTime"]) == (
            "Test step",
            NOON + 10_000,
            NOON + 50_000,
        )
        assert [command["name"] for command in named["commands"][:2]] == ["type", "Find element"]
        assert empty["commands"] == []


def test_a_command_succeeds_or_fails_and_names_its_error() -> None:
    with serving(TinyPerfecto([RUN])) as lab:
        typed, failed = commands(lab)["resources"][1]["commands"][:2]
        assert (typed["status"], failed["status"]) == ("SUCCESS", "FAILURE")
        assert "message" not in typed
        assert failed["message"].startswith("Stacktrace:\n")
        assert "screenshots" not in typed
        assert re.search(r"&signature=[0-9a-f]{64}$", failed["screenshots"][0])


def test_a_secret_parameter_is_starred_and_says_so() -> None:
    with serving(TinyPerfecto([RUN])) as lab:
        typed = commands(lab)["resources"][1]["commands"][0]
        assert typed["parameters"] == [
            {"name": "text", "value": "***", "attributes": "SENSITIVE"},
            {"name": "field", "value": "name"},
        ]


def test_some_commands_compare_and_some_of_those_by_an_image() -> None:
    with serving(TinyPerfecto([RUN])) as lab:
        listed = [command for step in commands(lab)["resources"] for command in step["commands"]]
        kinds = {data["type"] for command in listed for data in command.get("expectedData", ())}
        assert kinds == {"TEXT", "IMAGE_KEY"}
        assert any("imagePath" in image for command in listed for image in command.get("expectedImages", ()))
        assert any("uxDuration" in c and c["uxDuration"] == 0 < c["endTime"] - c["startTime"] for c in listed)


def test_created_at_is_text_here_and_a_number_on_the_list() -> None:
    with serving(TinyPerfecto([RUN])) as lab:
        metadata = commands(lab)["metadata"]
        assert metadata["createdAt"] == str(lab.clock.now())
        assert not {"processingStatus", "truncated", "page"} & set(metadata)
        assert isinstance(Reporting(lab).get().json()["metadata"]["createdAt"], int)


def test_an_unknown_test_is_404_with_a_message() -> None:
    with serving(TinyPerfecto([RUN])) as lab:
        answer = Reporting(lab).get(f"/{99:024x}/commands")
        assert answer.status_code == 404
        assert list(answer.json()[0]) == ["userMessage"]


def test_the_commands_of_a_running_test_grow() -> None:
    with serving(TinyPerfecto([RUN]), clock="2026-03-02T12:00:15Zx0") as lab:
        counts = []
        for pause in (0, 20 * SECOND, 2 * MINUTE):
            lab.clock.advance(pause)
            counts.append([len(step["commands"]) for step in commands(lab)["resources"]])
        assert counts == [[1, 1], [1, 1], [1, 62, 0]]


def test_commands_need_a_token_too() -> None:
    with serving(TinyPerfecto([test_run(1, NOON - HOUR)])) as lab:
        assert Reporting(lab, headers={}).get(f"/{RUN.id}/commands").status_code == 401
