"""The Execution Manager over HTTP: what runs now, for whom, and the stop that is remembered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from simlab.server import Lab
from tests.simlab.serving import HTTP, TOKENS, Reporting, serving
from tests.simlab.tiny_world import DESKTOP, HOUR, MINUTE, NOON, PHONE, TABLET, TinyPerfecto, test_run

EXAMPLES = Path(__file__).parents[1] / "examples" / "perfecto_live"
WRONG_TOKEN = "eyJ-wrong"
SEARCH = "/execution-manager/api/v1/executions/search"
STOP = "/execution-manager/api/v1/executions/stop"


def running(number: int, started_at: int, **changes: object) -> object:
    return test_run(number, started_at, **({"ended_at": NOON + 2 * HOUR} | changes))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    runs = [
        running(1, NOON - MINUTE, name="pay", external_id="s1", owner="ann@lab.example"),
        running(2, NOON - 2 * MINUTE, name="search", external_id="s2", owner="bob@lab.example", devices=(DESKTOP,)),
        running(3, NOON - 3 * MINUTE, name="two devices", external_id="s3", owner="ann@lab.example", devices=(PHONE, TABLET)),
        running(4, NOON - 30 * HOUR, name="since yesterday", external_id="s4", owner="ann@lab.example"),
        test_run(5, NOON - HOUR, name="over", external_id="s5"),
        test_run(6, NOON - HOUR, name="crashed", external_id="s6", ended_at=None, visible_at=NOON - HOUR),
        running(7, NOON + HOUR, name="later", external_id="s7"),
    ]  # fmt: skip
    with serving(TinyPerfecto(runs), clock="2026-03-02T12:00:00Zx0") as lab:
        yield lab


def post(lab: Lab, path: str, body: object = None, token: str = TOKENS.admin) -> httpx.Response:
    url = lab.urls["perfecto"]["acme"]["executions_url"] + path
    headers = {"Perfecto-Authorization": token, "Content-Type": "application/json"}
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return HTTP.post(url, headers=headers, content=content)


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [execution["id"] for execution in answer.json()]


def test_only_what_runs_now_is_listed_in_a_bare_array(lab: Lab) -> None:
    assert set(ids(post(lab, SEARCH))) == {"s1", "s2", "s3", "s4"}


def test_an_execution_has_neither_end_nor_status_nor_job(lab: Lab) -> None:
    for execution in post(lab, SEARCH).json():
        assert set(execution) == {"id", "name", "startTime", "owner", "platforms"}


def test_platforms_speak_another_dialect_than_the_reports(lab: Lab) -> None:
    platforms = {e["id"]: e["platforms"] for e in post(lab, SEARCH).json()}
    [phone] = platforms["s1"]
    assert phone["id"] == PHONE.device_id
    assert "deviceId" not in phone
    assert set(phone["mobileInfo"]["operatorInfo"]) == {"name", "country", "code"}
    assert "operator" not in phone["mobileInfo"]
    assert platforms["s2"][0]["os"] == "Windows10"
    assert "browserInfo" in platforms["s2"][0]
    assert [platform["id"] for platform in platforms["s3"]] == [PHONE.device_id, TABLET.device_id]


def test_without_the_admin_role_a_user_sees_only_their_own(lab: Lab) -> None:
    listed = post(lab, SEARCH, token=TOKENS.member).json()
    owners = {execution["owner"] for execution in listed}
    assert owners == {"ann@lab.example"}
    assert len(listed) == 3


def test_the_documented_request_is_understood(lab: Lab) -> None:
    assert ids(post(lab, SEARCH, json.loads((EXAMPLES / "search_request.json").read_text()))) == []


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"filter": {"fields": {"owner": ["bob@lab.example"]}}}, ["s2"]),
        ({"filter": {"fields": {"name": ["pay", "search"]}, "excludedFields": {"owner": ["bob@lab.example"]}}}, ["s1"]),
        ({"filter": {"freeTextFilter": "windows"}}, ["s2"]),
        ({"sort": [{"sortBy": "startTime", "sortOrder": "DESCEND"}]}, ["s1", "s2", "s3", "s4"]),
        ({"sort": [{"sortBy": "owner", "sortOrder": "DESCEND"}, {"sortBy": "name", "sortOrder": "ASCEND"}]},
         ["s2", "s1", "s4", "s3"]),
    ],
)  # fmt: skip
def test_executions_are_filtered_and_sorted(lab: Lab, wish: object, expected: list[str]) -> None:
    assert ids(post(lab, SEARCH, wish)) == expected


def test_a_layout_leaves_out_what_it_does_not_name(lab: Lab) -> None:
    for name in ("platforms", "devices"):
        for execution in post(lab, SEARCH, {"layout": ["id", name]}).json():
            assert set(execution) == {"id", "platforms"}


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"sort": [{"sortBy": "colour"}]}', b'{"filter": {"fields": {"os": ["x"]}}}']
)
def test_a_request_that_makes_no_sense_is_400_with_messages(lab: Lab, body: bytes) -> None:
    answer = post(lab, SEARCH, body)
    assert answer.status_code == 400
    assert [list(message) for message in answer.json()] == [["userMessage"]]


def test_a_bad_token_is_401(lab: Lab) -> None:
    assert post(lab, SEARCH, token=WRONG_TOKEN).status_code == 401


def test_a_stop_is_answered_and_remembered() -> None:
    with serving(TinyPerfecto([running(1, NOON, external_id="s1")]), clock="2026-03-02T12:10:00Zx0") as lab:  # type: ignore[list-item]
        answer = post(lab, STOP, {"fields": {"owner": ["ann@lab.example"]}})
        assert answer.json() == {"stoppedExecutions": ["s1"], "unStoppedExecutions": []}
        assert [request["path"] for request in lab.requests] == ["/perfecto/acme/executions" + STOP]


def test_reports_and_live_list_agree_on_the_sessions_id(lab: Lab) -> None:
    reported = Reporting(lab).get("", "externalId[0]=s1").json()["resources"]
    assert [test["externalId"] for test in reported] == ["s1"]
