"""Enterprise Tester over HTTP: login, OData and query-language collections, script runs and their oddities."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from simlab.server import Lab
from tests.simlab.serving import HTTP, enterprise_tester_client, serving
from tests.simlab.tiny_world import (
    BANK,
    CHILD,
    DAY,
    HOUR,
    MINUTE,
    NOON,
    ROOT,
    SHOP,
    TinyEnterpriseTester,
    assignment,
    guid,
    script_run,
)

PAY = assignment("pay")
MANY = [assignment(f"script {n}") for n in range(60)]
LAST_YEAR = NOON - 90 * DAY
RUNS = [
    script_run("first", PAY, LAST_YEAR),
    script_run("second", PAY, NOON - DAY, status="Passed", actual_duration=None),
    script_run("third", PAY, NOON - HOUR, edited_at=NOON + HOUR, edited_duration="1 hour"),
    script_run("open", PAY, NOON - 2 * MINUTE, status="In Progress"),
    script_run("ahead", PAY, NOON + DAY),
    *(script_run(f"run {n}", MANY[0], NOON - n * HOUR) for n in range(1, 31)),
    *(script_run(f"single {n}", script, NOON - 2 * HOUR) for n, script in enumerate(MANY[1:])),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with serving(
        enterprise_tester=TinyEnterpriseTester(RUNS, [PAY, *MANY]), clock="2026-03-02T12:00:00Zx0"
    ) as lab:
        yield lab


@pytest.fixture(scope="module")
def client(lab: Lab) -> httpx.Client:
    return enterprise_tester_client(lab)


def runs(client: httpx.Client, of: str = PAY.id, **options: object) -> dict[str, object]:
    answer = client.get(
        f"/api/scriptassignment/{of}/runs", params={f"${k}": str(v) for k, v in options.items()}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer: dict[str, object]) -> list[str]:
    return [item["Id"] for item in answer["Items"]]


def test_a_wrong_login_is_401_and_says_how_to_log_in(lab: Lab) -> None:
    url = lab.urls["enterprise_tester"]["et"]["url"]
    for headers in ({}, {"Authorization": "Basic !"}, {"Authorization": "Bearer x"}):
        answer = HTTP.get(f"{url}/api/projects", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
    assert HTTP.get(f"{url}/api/projects", auth=("lab-reader", "wrong")).status_code == 401


def test_projects_are_filtered_and_ordered(client: httpx.Client) -> None:
    assert [p["Name"] for p in client.get("/api/projects").json()["Items"]] == ["Shop", "Bank"]
    [shop] = client.get("/api/projects", params={"$filter": "Name eq 'Shop'"}).json()["Items"]
    assert shop["Id"] == SHOP.id
    assert shop["TimeTrackingConfiguration"] == {"HoursPerDay": 8, "DaysPerWeek": 5}
    ordered = client.get("/api/projects", params={"$orderby": "Name asc"}).json()["Items"]
    assert [p["Name"] for p in ordered] == ["Bank", "Shop"]
    assert client.get(f"/api/project/{BANK.id.upper()}").json()["Name"] == "Bank"


def test_counts_come_with_odata_only_when_they_are_asked_for(client: httpx.Client) -> None:
    assert list(runs(client)) == ["Items"]
    counted = runs(client, inlinecount="allpages", top=2, skip=1)
    assert {key: counted[key] for key in ("Skip", "Top", "Total")} == {"Skip": 1, "Top": 2, "Total": 4}
    assert len(counted["Items"]) == 2
    assert list(runs(client, inlinecount="none")) == ["Items"]


def test_a_collection_gives_25_unless_more_are_asked_for(client: httpx.Client) -> None:
    many = MANY[0].id
    assert len(ids(runs(client, many))) == 25
    assert len(set(ids(runs(client, many, top=100)))) == 30
    assert len(ids(runs(client, many, take=3))) == 3
    paged = ids(runs(client, many, top=20)) + ids(runs(client, many, top=20, skip=20))
    assert paged == ids(runs(client, many, top=100))


def test_a_run_is_not_there_before_it_was_created(client: httpx.Client) -> None:
    assert set(ids(runs(client))) == {guid(name) for name in ("first", "second", "third", "open")}


def test_a_runs_fields_are_the_documented_ones(client: httpx.Client) -> None:
    [run] = runs(client, filter=f"Id eq '{guid('third')}'")["Items"]
    assert run["CreatedAt"] == "2026-03-02T11:00:00Z"
    assert run["LastUpdatedAt"] == "2026-03-02T11:05:00Z"
    assert (run["Status"], run["ActualDuration"], run["RunBy"]) == ("Failed", "5 minutes", "joeb")
    assert run["Self"] == f"http://localhost/api/scriptrun/{run['Id']}"
    assert (run["AssignmentId"], run["ScriptId"]) == (PAY.id, PAY.script_id)


def test_an_open_run_is_in_progress_and_its_steps_are_not_run(client: httpx.Client) -> None:
    [run] = runs(client, filter="Status eq 'In Progress'", expand="StepResults")["Items"]
    assert run["Id"] == guid("open")
    assert run["LastUpdatedAt"] == run["CreatedAt"]
    assert {step["Outcome"] for step in run["StepResults"]} == {"NotRun"}
    assert {step["ActualResult"] for step in run["StepResults"]} == {None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("year(CreatedAt) eq 2025", ["first"]),
        ("LastUpdatedAt ge datetime'2026-03-02T11:05:00'", ["open", "third"]),
        ("LastUpdatedAt gt datetime'2026-03-02T11:05:00'", ["open"]),
        (
            "CreatedAt ge datetime'2026-03-01T00:00:00Z' and CreatedAt lt datetime'2026-03-02T00:00:00Z'",
            ["second"],
        ),
        ("Status eq 'Passed' or year(CreatedAt) lt 2026", ["second", "first"]),
        ("not (Status eq 'Failed') and ScriptVersion ge 2", ["open", "second"]),
        ("substringof('joe', RunBy) eq true and startswith(Status, 'Pass')", ["second"]),
        ("ActualDuration eq null", None),
    ],
)
def test_runs_are_filtered_by_odata(client: httpx.Client, text: str, expected: list[str] | None) -> None:
    found = ids(runs(client, filter=text))
    if expected is None:
        assert guid("second") in found
    else:
        assert found == [guid(name) for name in expected]


@pytest.mark.parametrize(
    "text",
    [
        "Colour eq 'red'",
        "CreatedAt ge",
        "(Status eq 'x'",
        "LastUpdatedAt ge datetime'soon'",
        "a=b",
        "floor(Id)",
    ],
)
def test_a_filter_that_makes_no_sense_is_400_with_a_message(client: httpx.Client, text: str) -> None:
    answer = client.get(f"/api/scriptassignment/{PAY.id}/runs", params={"$filter": text})
    assert answer.status_code == 400
    assert list(answer.json()) == ["Message"]


def test_a_number_that_is_none_is_400(client: httpx.Client) -> None:
    for option in ("$top", "$skip"):
        assert client.get("/api/projects", params={option: "-1"}).status_code == 400


def test_ids_in_paths_may_be_in_capitals_and_are_small_in_bodies(client: httpx.Client) -> None:
    found = runs(client, PAY.id.upper())
    assert set(ids(found)) == set(ids(runs(client)))
    assert all(run["Id"] == run["Id"].lower() for run in found["Items"])


def test_steps_are_there_only_when_expanded_and_then_no_longer_offered(client: httpx.Client) -> None:
    plain, expanded = (
        runs(client, expand=names, top=1)["Items"][0] for names in ("", "StepResults,Assignment")
    )
    assert "StepResults" not in plain
    assert {"StepResults", "Assignment"} <= set(plain["Expands"])
    assert len(expanded["StepResults"]) == 2
    assert expanded["Assignment"]["Id"] == PAY.id
    assert not {"StepResults", "Assignment"} & set(expanded["Expands"])


def test_steps_often_do_not_name_their_run(client: httpx.Client) -> None:
    many = runs(client, MANY[0].id, expand="StepResults", top=100)["Items"]
    named = {(step["RunId"] == run["Id"], step["RunId"]) for run in many for step in run["StepResults"]}
    assert (False, "00000000-0000-0000-0000-000000000000") in named
    assert True in {is_named for is_named, _ in named}


def test_optional_keys_come_and_go(client: httpx.Client) -> None:
    found = runs(client, MANY[0].id, top=100)["Items"] + runs(client)["Items"]
    for key in ("Completed", "Links", "ActualDuration"):
        assert {key in run for run in found} == {True, False}


def test_widgets_and_field_values_are_offered_by_some_versions_only(client: httpx.Client) -> None:
    offered = {tuple(run["Expands"]) for script in MANY for run in runs(client, script.id, top=1)["Items"]}
    assert offered == {("Assignment", "StepResults"), ("Assignment", "StepResults", "Widgets", "FieldValues")}


def twins(client: httpx.Client) -> list[tuple[dict[str, object], dict[str, object]]]:
    found = []
    for script in MANY:
        items = runs(client, script.id, top=100)["Items"]
        for position, item in enumerate(items):
            found += [(item, other) for other in items[position + 1 :] if other["Id"] == item["Id"]]
    return found


def test_in_a_few_assignments_two_items_share_an_id_and_the_newer_is_the_real_one(
    client: httpx.Client,
) -> None:
    found = twins(client)
    assert 2 <= len(found) <= 15
    for pair in found:
        stale, real = sorted(pair, key=lambda item: str(item["LastUpdatedAt"]))
        assert stale["LastUpdatedAt"] < real["LastUpdatedAt"]
        assert (stale["Status"], real["Status"]) == ("In Progress", "Failed")
        assert stale["CreatedAt"] < real["CreatedAt"]
        assert client.get(f"/api/scriptrun/{real['Id']}").json()["LastUpdatedAt"] == real["LastUpdatedAt"]


def test_the_stale_one_comes_first_or_last(client: httpx.Client) -> None:
    assert {first["Status"] for first, _ in twins(client)} == {"In Progress", "Failed"}


def test_a_duration_is_corrected_after_completion_by_the_clock() -> None:
    edited = [
        script_run(f"run {n}", PAY, NOON - HOUR - n, edited_at=NOON + HOUR, edited_duration="2 hours")
        for n in range(60)
    ]
    with serving(
        enterprise_tester=TinyEnterpriseTester(edited, [PAY]), clock="2026-03-02T12:00:00Zx0"
    ) as lab:
        client = enterprise_tester_client(lab)
        before = {item["Id"]: item for item in runs(client, top=100)["Items"]}
        lab.clock.advance(HOUR)
        after = {item["Id"]: item for item in runs(client, top=100)["Items"]}
        assert {item["ActualDuration"] for item in before.values()} == {"5 minutes"}
        assert {item["ActualDuration"] for item in after.values()} == {"2 hours"}
        moved = {after[name]["LastUpdatedAt"] != before[name]["LastUpdatedAt"] for name in before}
        assert moved == {True, False}


def test_assignments_are_listed_by_project_with_their_counts(client: httpx.Client) -> None:
    answer = client.get("/api/scriptassignments", params={"tql": 'Project = "Shop"'}).json()
    assert {key: answer[key] for key in ("Skip", "Top", "Total")} == {"Skip": 0, "Top": 25, "Total": 61}
    assert len(answer["Items"]) == 25
    rest = client.get(
        "/api/scriptassignments", params={"tql": 'Project = "Shop"', "$top": 50, "$skip": 25}
    ).json()
    assert len({item["Id"] for item in answer["Items"] + rest["Items"]}) == 61
    assert client.get("/api/scriptassignments", params={"tql": "Project = 'Bank'"}).json()["Total"] == 0


@pytest.mark.parametrize(
    ("tql", "total"),
    [
        (f"Project = '{SHOP.id.upper()}'", 61),
        ("Project = Shop AND Name ~ 'script 1'", 11),
        ('Package = "Checkout" and Status = "In Progress"', 1),
        ("Status IN [Passed, Failed]", 60),
        ("Project != Shop", 0),
        ("Project = Shop ORDER BY Name DESC", 61),
        ("", 61),
    ],
)
def test_the_query_language_is_understood(client: httpx.Client, tql: str, total: int) -> None:
    answer = client.get("/api/scriptassignments", params={"tql": tql})
    assert answer.status_code == 200, answer.text
    assert answer.json()["Total"] == total


@pytest.mark.parametrize(
    "tql", ["Project", "Colour = red", "Project = Shop Name = x", "Name ORDER BY Colour", "= x"]
)
def test_a_query_that_makes_no_sense_is_400(client: httpx.Client, tql: str) -> None:
    assert client.get("/api/scriptassignments", params={"tql": tql}).status_code == 400


def test_an_assignment_tells_its_state_and_its_package_when_expanded(client: httpx.Client) -> None:
    one = client.get(f"/api/scriptassignment/{PAY.id}", params={"$expand": "Package"}).json()
    assert (one["Status"], one["AssignedTo"], one["PackageId"]) == ("In Progress", "joeb", CHILD.id)
    assert one["Package"]["ProjectId"] == SHOP.id
    assert "Package" not in one["Expands"]
    assert not {"CreatedAt", "LastUpdatedAt", "ProjectId"} & set(one)
    plain = client.get(f"/api/scriptassignment/{PAY.id}").json()
    assert "Package" not in plain


def test_an_assignment_that_never_ran_says_so() -> None:
    with serving(enterprise_tester=TinyEnterpriseTester([], [PAY])) as lab:
        assert (
            enterprise_tester_client(lab).get(f"/api/scriptassignment/{PAY.id}").json()["Status"] == "Not Run"
        )


def test_the_root_package_has_no_parent(client: httpx.Client) -> None:
    answer = client.get("/api/executionpackages", params={"tql": 'Project = "Shop"'}).json()
    packages = {item["Id"]: item for item in answer["Items"]}
    assert "ParentId" not in packages[ROOT.id]
    assert packages[CHILD.id]["ParentId"] == ROOT.id
    assert packages[ROOT.id]["Stereotype"] == "Package"
    children = client.get(f"/api/executionpackage/{ROOT.id}/children").json()
    assert ids(children) == [CHILD.id]
    expanded = client.get(f"/api/executionpackage/{CHILD.id}", params={"$expand": "ScriptAssignments"}).json()
    assert len(expanded["ScriptAssignments"]) == 61


def test_all_runs_are_listed_by_the_query_language(client: httpx.Client) -> None:
    answer = client.get(
        "/api/scriptruns", params={"tql": 'Project = "Shop" AND Status = Passed ORDER BY LastUpdatedAt DESC'}
    ).json()
    assert ids(answer) == [guid("second")]
    assert answer["Total"] == 1


def test_one_run_is_found_by_its_id(client: httpx.Client) -> None:
    found = client.get(f"/api/scriptrun/{guid('second').upper()}", params={"$expand": "StepResults"})
    assert found.json()["Id"] == guid("second")
    assert len(found.json()["StepResults"]) == 2


@pytest.mark.parametrize(
    "path",
    [f"/api/scriptassignment/{guid('x')}/runs", f"/api/scriptassignment/{guid('x')}", f"/api/scriptrun/{guid('x')}",
     f"/api/project/{guid('x')}", f"/api/executionpackage/{guid('x')}", f"/api/executionpackage/{guid('x')}/children",
     f"/api/scriptrun/{guid('ahead')}"],
)  # fmt: skip
def test_what_does_not_exist_is_404_with_a_message(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert list(answer.json()) == ["Message"]


def test_posting_returns_the_open_run_or_a_new_one_and_is_remembered(lab: Lab, client: httpx.Client) -> None:
    existing = client.post(f"/api/scriptassignment/{PAY.id}/runs")
    assert (existing.status_code, existing.json()["Id"]) == (200, guid("open"))
    assert existing.headers["location"].endswith(guid("open"))
    created = client.post(f"/api/scriptassignment/{MANY[0].id}/runs", params={"$expand": "StepResults"})
    assert created.status_code == 201
    assert {step["RunId"] for step in created.json()["StepResults"]} == {
        "00000000-0000-0000-0000-000000000000"
    }
    assert "StepResults" in created.json()["Expands"]
    assert created.json()["Id"] not in ids(runs(client, MANY[0].id, top=100))
    posted = [request for request in lab.requests if request["method"] == "POST"]
    assert [request["path"].partition("?")[0][-5:] for request in posted] == ["/runs", "/runs"]


def test_an_answer_is_spread_over_lines_on_demand(client: httpx.Client) -> None:
    assert "\n" not in client.get("/api/projects").text
    assert "\n  " in client.get("/api/projects", params={"indent-json": "true"}).text
