"""The vendors' own examples beside what the lab serves: the same keys with the same types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from defusedxml import ElementTree as SafeET

from simlab.clock import DAY, HOUR
from simlab.server import Lab, LabConfig, start
from tests.simlab.serving import HTTP, TOKENS, Reporting, enterprise_tester_client, hcl_client
from tests.simlab.shapes import Shape, json_shape, xml_shape
from tests.simlab.test_api_perfecto_lab import service

EXAMPLES = Path(__file__).parents[1] / "examples"
CLOCK = "2026-03-12T15:00:00Zx0"

# What the export's schema lists below `resources[]`, with what its own example and its clients have besides.
DOCUMENTED = [
    "id",
    "externalId",
    "name",
    "owner",
    "startTime",
    "endTime",
    "uxDuration",
    "status",
    "job",
    "job.name",
    "job.number",
    "job.branch",
    "platforms",
    "platforms[].deviceId",
    "platforms[].deviceType",
    "platforms[].os",
    "platforms[].osVersion",
    "platforms[].screenResolution",
    "platforms[].location",
    "platforms[].mobileInfo",
    "platforms[].mobileInfo.imei",
    "platforms[].mobileInfo.imsi",
    "platforms[].mobileInfo.manufacturer",
    "platforms[].mobileInfo.model",
    "platforms[].mobileInfo.phoneNumber",
    "platforms[].mobileInfo.distributor",
    "platforms[].mobileInfo.description",
    "platforms[].mobileInfo.firmware",
    "platforms[].mobileInfo.operator",
    "platforms[].mobileInfo.operatorCountry",
    "platforms[].mobileInfo.hasAudio",
    "platforms[].browserInfo",
    "platforms[].browserInfo.browserType",
    "platforms[].browserInfo.browserVersion",
    "platforms[].alias",
    "platforms[].selectionCriteria",
    "platforms[].selectionCriteriaV2",
    "platforms[].selectionCriteriaV2[].name",
    "platforms[].selectionCriteriaV2[].value",
    "platforms[].customFields",
    "platforms[].customFields[].name",
    "platforms[].customFields[].value",
    "videos",
    "videos[].startTime",
    "videos[].endTime",
    "videos[].videoFormat",
    "videos[].format",
    "videos[].downloadUrl",
    "videos[].streamingUrl",
    "videos[].screen",
    "videos[].screen.width",
    "videos[].screen.height",
    "tags",
    "executionEngine",
    "executionEngine.version",
    "artifacts",
    "artifacts[].type",
    "artifacts[].path",
    "artifacts[].contentType",
    "artifacts[].fileName",
    "artifacts[].zipped",
    "reportURL",
    "project",
    "project.name",
    "project.version",
    "message",
    "customFields",
    "customFields[].name",
    "customFields[].value",
    "failureReasonName",
    "automationFramework",
    "parameters",
    "parameters[].name",
    "parameters[].value",
    "triggerType",
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The default world, in the middle of a working day."""
    with start(LabConfig(days=14, clock=CLOCK)) as lab:
        yield lab


def example(name: str) -> object:
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def union(values: list[object]) -> Shape:
    return set().union(*(json_shape(value) for value in values))


@pytest.fixture(scope="module")
def pages(lab: Lab) -> list[object]:
    now = lab.clock.now()
    return [Reporting(lab).page(now - n * DAY - DAY, now - n * DAY) for n in range(13)]


def test_test_executions(pages: list[object]) -> None:
    assert json_shape(example("perfecto_reporting/test_executions")) - union(pages) == set()


def test_a_test_execution_has_every_documented_field_and_no_other(
    pages: list[dict[str, list[object]]],
) -> None:
    served = {path for path, _ in union([test for page in pages for test in page["resources"]])}
    served = {path.removeprefix(".") for path in served if path and not path.endswith("[]")}
    assert served == set(DOCUMENTED)


def test_commands(lab: Lab, pages: list[dict[str, list[dict[str, str]]]]) -> None:
    answers = [Reporting(lab).get(f"/{test['id']}/commands").json() for test in pages[1]["resources"][:200]]
    assert json_shape(example("perfecto_reporting/commands")) - union(answers) == set()


def live(lab: Lab, path: str, body: object = None, token: str = TOKENS.admin) -> httpx.Response:
    url = f"{lab.urls['perfecto']['acme']['executions_url']}/execution-manager/api/v1/executions/{path}"
    return HTTP.post(url, json=body or {}, headers={"Perfecto-Authorization": token})


def through_two_weeks(lab: Lab) -> Iterator[None]:
    """Every two hours of the world, backwards; the clock is back where it was in the end."""
    for _ in range(144):
        yield
        lab.clock.advance(-2 * HOUR)
    lab.clock.advance(144 * 2 * HOUR)


def test_live_executions(lab: Lab) -> None:
    answers = [live(lab, "search").json() for _ in through_two_weeks(lab)]
    assert json_shape(example("perfecto_live/executions")) - union(answers) == set()


def test_live_requests_are_understood_and_stops_answered(lab: Lab) -> None:
    assert live(lab, "search", example("perfecto_live/search_request")).status_code == 200
    assert live(lab, "stop", example("perfecto_live/stop_request")).status_code == 200
    answer = live(lab, "stop").json()
    assert {key for key, _ in json_shape(example("perfecto_live/stop_response"))} - {
        ".unStoppedExecutions[]"
    } == {key for key, _ in json_shape(answer)}


@pytest.mark.parametrize(("name", "path"), [("error", "search"), ("stop_error", "stop")])
def test_live_errors(lab: Lab, name: str, path: str) -> None:
    answer = live(lab, path, token="eyJ-wrong")
    assert answer.status_code == 401
    assert json_shape(answer.json()) == json_shape(example(f"perfecto_live/{name}"))


def test_handsets(lab: Lab) -> None:
    served: Shape = set()
    for _ in through_two_weeks(lab):
        served |= xml_shape(SafeET.fromstring(service(lab, "handsets", operation="list").text))
    documented = xml_shape(SafeET.parse(EXAMPLES / "perfecto_lab" / "handsets.xml").getroot())
    assert documented - served == set()
    assert {path for path, _ in served} - {path for path, _ in documented} <= {
        "/handsets/handset/allocatedTo",
        "/handsets/handset/reservedTo",
    }


SERVICE_ERRORS = {
    "error_execution_not_found": ("executions/executionId", {"operation": "status"}),
    "error_unknown_parameter": ("executions", {"operation": "list", "time__colour": "1"}),
    "error_unknown_resource": ("startexecutions", {"operation": "list"}),
    "error_unknown_operation": ("executions", {"operation": "executescript"}),
}


@pytest.mark.parametrize("name", list(SERVICE_ERRORS))
def test_service_errors(lab: Lab, name: str) -> None:
    path, parameters = SERVICE_ERRORS[name]
    answer = service(lab, path, **parameters)
    assert answer.status_code == 400
    assert json_shape(answer.json()) == json_shape(example(f"perfecto_lab/{name}"))


@pytest.mark.parametrize("name", ["error_unknown_resource", "error_unknown_operation"])
def test_a_services_error_has_the_vendors_words(lab: Lab, name: str) -> None:
    path, parameters = SERVICE_ERRORS[name]
    assert service(lab, path, **parameters).json() == example(f"perfecto_lab/{name}")


def test_a_user_without_the_right_is_told_so(lab: Lab) -> None:
    answer = service(
        lab, "executions", token=TOKENS.member, operation="list", time__offset="60", admin="true"
    )
    assert json_shape(answer.json()) == json_shape(example("perfecto_lab/error_not_authorized"))


def test_a_service_error_in_xml(lab: Lab) -> None:
    answer = service(lab, "executions", operation="executescript", responseFormat="xml")
    documented = SafeET.parse(EXAMPLES / "perfecto_lab" / "error_unknown_operation.xml").getroot()
    served = SafeET.fromstring(answer.text)
    assert xml_shape(served) == xml_shape(documented)
    assert served.findtext("errorMessage") == documented.findtext("errorMessage")


@pytest.mark.parametrize("name", ["execution_started.json", "execution_started.xml"])
def test_starting_a_script_is_not_offered_but_its_ids_have_the_same_form(lab: Lab, name: str) -> None:
    text = (EXAMPLES / "perfecto_lab" / name).read_text()
    started = json.loads(text) if name.endswith("json") else {e.tag: e.text for e in SafeET.fromstring(text)}
    assert service(lab, "executions", operation="execute").status_code == 400
    [listed, *_] = service(lab, "executions", operation="list", time__offset="86400").json()["executions"]
    assert {"executionId", "reportKey"} <= set(started) & set(listed)
    for key in ("executionId", "reportKey"):
        assert type(started[key]) is type(listed[key])
    assert started["reportKey"].split("/")[0] == listed["reportKey"].split("/")[0]


def test_the_insecure_channel_is_never_complained_about_on_loopback(lab: Lab) -> None:
    complaint = example("perfecto_lab/error_insecure_channel")
    assert service(lab, "reservations", operation="list").json() != complaint


@pytest.mark.parametrize("name", ["token", "token_without_expires_in"])
def test_hcl_tokens(lab: Lab, name: str) -> None:
    url = lab.urls["hcl"]["ots"]["url"]
    form = {"refresh_token": "eyJsimlab.ots.hcl-offline-token"}
    answers = [json_shape(HTTP.post(f"{url}/tokens/", data=form).json()) for _ in range(2)]
    assert json_shape(example(f"hcl_test_server/{name}")) in answers


def test_hcl_executions(lab: Lab) -> None:
    client = hcl_client(lab)
    executions = client.get("/projects/1050/executions/", params={"execution.status": "ALL"}).json()
    assert json_shape(example("hcl_test_server/execution_created")) - union(executions) == set()
    listed = {path for path, _ in union(executions) if path.count(".") == 1}
    assert listed == {".id", ".result", ".status", ".message", ".internal", ".startDate", ".completionDate"}


@pytest.mark.parametrize(
    ("name", "options"),
    [("script_runs", {}), ("script_runs_of_a_year", {"$filter": "year(CreatedAt) eq 2026"})],
)
def test_script_runs(lab: Lab, name: str, options: dict[str, str]) -> None:
    client = enterprise_tester_client(lab)
    answers = [
        client.get(f"/api/scriptassignment/{a['Id']}/runs", params=options).json()
        for a in assignments(client)
    ]
    documented = json_shape(example(f"enterprise_tester/{name}"))
    assert documented - union(answers) == set()
    extra = {path for path, _ in union(answers)} - {path for path, _ in documented}
    assert {path for path in extra if not path.startswith((".Items[].Completed", ".Items[].Links"))} == set()


def assignments(client: httpx.Client) -> list[dict[str, str]]:
    return client.get("/api/scriptassignments", params={"$top": 500}).json()["Items"]


@pytest.mark.parametrize(
    ("name", "options", "statuses"),
    [
        ("script_run_created", {}, {201}),
        ("script_run_created_with_step_results", {"$expand": "StepResults"}, {201}),
        ("script_run_existing", {}, {200}),
    ],
)
def test_script_runs_that_are_posted(
    lab: Lab, name: str, options: dict[str, str], statuses: set[int]
) -> None:
    client = enterprise_tester_client(lab)
    request = example("enterprise_tester/create_run_request")
    answers = []
    for assignment in assignments(client):
        answer = client.post(f"/api/scriptassignment/{assignment['Id']}/runs", params=options, json=request)
        if answer.status_code in statuses:
            answers.append(answer.json())
    assert answers, f"no answer with {statuses}"
    documented = json_shape(example(f"enterprise_tester/{name}"))
    # The sample's steps have neither data nor notes; a real step may.
    served = union(answers)
    assert {path for path, _ in documented} - {path for path, _ in served} == set()
    assert {pair for pair in documented if pair[1] != "NoneType"} - served == set()


def test_every_example_is_looked_at_here() -> None:
    here = Path(__file__).read_text()
    unused = [
        path
        for path in EXAMPLES.rglob("*.*")
        if path.stem not in here and not path.parent.name.startswith("_")
    ]
    assert unused == []
