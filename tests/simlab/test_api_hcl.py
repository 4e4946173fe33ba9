"""The HCL test server over HTTP: tokens, executions and their filters, logs, agents, docker hosts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import httpx
import pytest

from simlab.credentials import hcl_offline_token
from simlab.server import Lab, LabConfig, start
from simlab.world.model import ServerExecution
from tests.simlab.serving import HTTP, hcl_client, serving
from tests.simlab.tiny_world import DAY, HOUR, MINUTE, NOON, SECOND, TinyHcl, TinyWorld

LIST = "/projects/1050/executions/"


def execution(name: str, scheduled_at: int, status: str = "COMPLETE", **changes: object) -> ServerExecution:
    values: dict[str, object] = {
        "id": name,
        "project_id": "1050",
        "result_id": "2451",
        "status": status,
        "scheduled_at": scheduled_at,
        "started_at": scheduled_at + MINUTE,
        "completed_at": scheduled_at + 11 * MINUTE,
        "message": None,
        "environment": "test",
        "asset_id": "asset-1",
        "asset_path": "Shop/Tests/Basic.testsuite",
        "asset_type": "APISUITE",
        "tags": ("LAB-1",),
        "log": "line 1\nline 2\nline 3\nline 4\n",
    }
    return ServerExecution(**(values | changes))  # type: ignore[arg-type]


EXECUTIONS = [
    execution(
        "yesterday", NOON - DAY, "COMPLETE_WITH_ERROR", message="2 tests failed", tags=("LAB-1", "LAB-2")
    ),
    execution("done", NOON - 30 * MINUTE, completed_at=NOON - 15 * MINUTE + 120),
    execution("running", NOON - 5 * MINUTE, environment="preprod"),
    execution("starting", NOON - 30 * SECOND, asset_type="APISTUB", asset_id="asset-2"),
    execution("stopping", NOON - 10 * MINUTE - 30 * SECOND, "STOPPED_BY_USER"),
    execution("planned", NOON + HOUR, "CANCELED", started_at=None),
    execution("unlaunched", NOON - 3 * HOUR, "LAUNCH_FAILED", started_at=None, completed_at=NOON - 3 * HOUR),
    execution("never completed", NOON - 2 * DAY, "INCOMPLETE", completed_at=None, log=None),
    execution("old", NOON - 20 * DAY, asset_path="Shop/Tests/Old.testsuite"),
    execution("far ahead", NOON + 3 * DAY),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    world = TinyWorld([], [TinyHcl(EXECUTIONS)], [])
    config = LabConfig(clock="2026-03-02T12:00:00Zx0", end=date(2026, 3, 14), days=40)
    with start(config, world) as lab:
        yield lab


@pytest.fixture(scope="module")
def client(lab: Lab) -> httpx.Client:
    return hcl_client(lab)


def listed(client: httpx.Client, **parameters: str) -> dict[str, dict[str, object]]:
    parameters = {name.replace("__", "."): value for name, value in parameters.items()}
    answer = client.get(LIST, params=parameters)
    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json(), list)
    return {execution["id"]: execution for execution in answer.json()}


def test_an_offline_token_buys_an_access_token_with_and_without_a_lifetime(lab: Lab) -> None:
    url = lab.urls["hcl"]["ots"]["url"] + "/tokens/"
    answers = [HTTP.post(url, data={"refresh_token": hcl_offline_token("ots")}).json() for _ in range(2)]
    assert {answer.get("expires_in", "absent") for answer in answers} == {300, "absent"}
    assert {answer["token_type"] for answer in answers} == {"bearer"}
    assert answers[0]["access_token"] != answers[1]["access_token"]


@pytest.mark.parametrize(("form", "status"), [({"refresh_token": "wrong"}, 401), ({}, 400)])
def test_a_bad_offline_token_is_refused_with_a_code(lab: Lab, form: dict[str, str], status: int) -> None:
    answer = HTTP.post(lab.urls["hcl"]["ots"]["url"] + "/tokens/", data=form)
    assert (answer.status_code, answer.json()) == (status, {"code": status})


@pytest.mark.parametrize(
    "path", [LIST, f"{LIST}done", f"{LIST}done/log", "/agents", "/dockerhosts", "/dockerhosts/7/status"]
)
def test_nothing_is_told_without_an_access_token(lab: Lab, path: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {hcl_offline_token('ots')}"},
    ):
        answer = HTTP.get(lab.urls["hcl"]["ots"]["url"] + path, headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"code": 401})


def test_an_access_token_lasts_300_seconds_of_the_labs_clock() -> None:
    with serving(hcl=TinyHcl()) as lab:
        client = hcl_client(lab)
        lab.clock.advance(299 * SECOND)
        assert client.get(LIST).status_code == 200
        lab.clock.advance(SECOND)
        assert client.get(LIST).status_code == 401
        assert hcl_client(lab).get(LIST).status_code == 200


def test_only_active_executions_are_listed_unless_a_status_is_asked_for(client: httpx.Client) -> None:
    assert {name: e["status"] for name, e in listed(client).items()} == {
        "running": "RUNNING",
        "starting": "IN_TRANSITION",
        "stopping": "STOPPING",
        "planned": "SCHEDULED",
    }
    assert listed(client, completionDateAfter="2026-01-01T00:00:00Z") == {}
    assert set(listed(client, execution__status="ALL")) == {e.id for e in EXECUTIONS} - {"far ahead"}
    assert set(listed(client, execution__status="COMPLETE,RUNNING")) == {"done", "old", "running"}


def test_an_execution_has_the_documented_fields(client: httpx.Client) -> None:
    found = listed(client, execution__status="ALL")
    done = found["done"]
    assert set(done) <= {"id", "result", "status", "message", "internal", "startDate", "completionDate"}
    assert done["result"] == {"ref": "https://ots.lab.example/rest/projects/1050/results/2451", "id": "2451"}
    assert done["startDate"] == "2026-03-02T11:31:00Z"
    assert done["completionDate"] == "2026-03-02T11:45:00.120Z"
    assert "message" not in done
    assert found["yesterday"]["message"] == "2 tests failed"
    assert (found["running"]["startDate"], found["running"]["completionDate"]) == (
        "2026-03-02T11:56:00Z",
        None,
    )
    assert found["planned"]["startDate"] is found["unlaunched"]["startDate"] is None
    assert (found["never completed"]["status"], found["never completed"]["completionDate"]) == (
        "INCOMPLETE",
        None,
    )
    assert any("internal" in execution for execution in found.values())


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"completionDateAfter": "2026-03-02T11:00:00Z"}, {"done"}),
        ({"completionDateAfter": "2026-03-01T00:00:00Z"}, {"done", "yesterday", "unlaunched"}),
        ({"completionDateBefore": "2026-03-01T00:00:00Z"}, {"old"}),
        (
            {"completionDateAfter": "2026-03-01T00:00:00Z", "completionDateBefore": "2026-03-02T00:00:00Z"},
            {"yesterday"},
        ),
        (
            {"completionDateNotSetOrAfter": "2026-03-02T11:00:00Z"},
            {"done", "running", "starting", "stopping", "planned", "never completed"},
        ),
        ({"scheduledDateAfter": "2026-03-02T11:59:00Z"}, {"starting", "planned"}),
        ({"scheduledDateBefore": "2026-02-20T00:00:00Z"}, {"old"}),
        ({"environment": "preprod,other"}, {"running"}),
        ({"asset__id": "asset-2"}, {"starting"}),
        ({"asset__externalType": "APISTUB,PERF"}, {"starting"}),
        ({"asset__path": "Shop/Tests/Old.testsuite"}, {"old"}),
        ({"tag": "LAB-1,LAB-2"}, {"yesterday"}),
    ],
)
def test_executions_are_filtered(
    client: httpx.Client, parameters: dict[str, str], expected: set[str]
) -> None:
    assert set(listed(client, execution__status="ALL", **parameters)) == expected
    # The same again, now that the lab knows which days need not be opened.
    assert set(listed(client, execution__status="ALL", **parameters)) == expected


def test_a_date_that_is_none_is_400_in_plain_text(client: httpx.Client) -> None:
    for text in ("yesterday", "2026-03-01", "2026-03-01T00:00:00"):
        answer = client.get(LIST, params={"completionDateAfter": text})
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("text/plain")


def test_more_is_told_when_data_is_included(client: httpx.Client) -> None:
    data = listed(client, execution__status="ALL", include="data")["yesterday"]["data"]
    assert data["tags"] == ["LAB-1", "LAB-2"]
    assert client.get(f"{LIST}yesterday", params={"include": "data"}).json()["data"] == data


def test_one_execution_is_an_object(client: httpx.Client) -> None:
    assert client.get(f"{LIST}done").json() == listed(client, execution__status="ALL")["done"]


@pytest.mark.parametrize("path", ["/projects/9999/executions/", f"{LIST}nothing", f"{LIST}nothing/log"])
def test_what_does_not_exist_is_404_in_plain_text(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_log_is_plain_text_and_gone_after_a_while(client: httpx.Client) -> None:
    done = client.get(f"{LIST}done/log")
    assert (done.text, done.headers["content-type"].partition(";")[0]) == (
        "line 1\nline 2\nline 3\nline 4\n",
        "text/plain",
    )
    assert client.get(f"{LIST}running/log").text == "line 1\nline 2\n"
    assert client.get(f"{LIST}planned/log").status_code == 404
    for name in ("old", "never completed"):
        gone = client.get(f"{LIST}{name}/log")
        assert gone.status_code == 410
        assert gone.headers["content-type"].startswith("text/plain")


def test_agents_are_ones_own_unless_all_are_asked_for(client: httpx.Client) -> None:
    assert [agent["id"] for agent in client.get("/agents").json()] == [1]
    agents = client.get("/agents", params={"all": "true"}).json()
    assert [agent["state"] for agent in agents] == ["BUSY", "LOST"]
    assert agents[0]["ram"] == "17179869184"
    assert agents[0]["contactTime"] == NOON - 4 * SECOND
    assert agents[0]["engineListSize"] == 3


def test_host_names_are_lower_case_only_when_normalised(client: httpx.Client) -> None:
    assert client.get("/agents").json()[0]["hostName"] == "Agent-One.LAB.example"
    assert (
        client.get("/agents", params={"normalize": "true"}).json()[0]["hostName"] == "agent-one.lab.example"
    )
    assert client.get("/agents/1").json()["hostName"] == "Agent-One.LAB.example"


def test_an_agents_filter_must_be_base64(client: httpx.Client) -> None:
    assert client.get("/agents", params={"filter": "e30="}).status_code == 200
    assert client.get("/agents", params={"filter": "{}"}).status_code == 400


def test_a_projects_agents_say_what_they_match(client: httpx.Client) -> None:
    agents = client.get("/projects/1050/agents").json()
    assert [agent["id"] for agent in agents] == [1, 2]
    assert agents[0]["matchSpecifics"]["match"] is True
    assert client.get("/projects/9999/agents").status_code == 404
    assert client.get("/agents/99").status_code == 404


def test_docker_hosts_come_with_their_credentials(client: httpx.Client) -> None:
    [host] = client.get("/dockerhosts").json()
    assert (host["username"], host["clientKey"]) == ("synthetic-user", "synthetic-client-key")
    assert {"caCert", "clientCert", "info"} <= set(host)
    assert host["port"] == "2376"
    assert client.get("/dockerhosts/7").json() == host
    assert client.get("/dockerhosts/8").status_code == 404


def test_a_docker_hosts_status_may_give_a_reason() -> None:
    with serving(hcl=TinyHcl(), clock="2026-03-02T00:30:00Zx0") as lab:
        client = hcl_client(lab)
        bad = client.get("/dockerhosts/7/status").json()
        assert (bad["status"], bad["reason"]) == ("ERROR", "connection refused")
        lab.clock.advance(HOUR)
        good = hcl_client(lab).get("/dockerhosts/7/status").json()
        assert good["status"] == "OK"
        assert "reason" not in good
        assert client.get("/dockerhosts/8/status").status_code == 401
