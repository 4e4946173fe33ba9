"""The oddities of the vendor's documents that touch these tables, by what becomes of each; numbers as there (B10)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.defs.sources.enterprise_tester.contract import PROJECTS, SCRIPT_RUNS, ProjectPlace
from pipelines.lib import landing
from pipelines.lib.contract import Table
from tests.lib.landing_of import answer_of, land, rows

EXAMPLES = Path(__file__).parents[2] / "examples" / "enterprise_tester"
SHOP = ProjectPlace("P-1", "Shop")
RUN = {
    "Id": "ABC",
    "ScriptId": "s",
    "ScriptVersion": 1,
    "AssignmentId": "A",
    "CreatedAt": "2026-03-02T15:05:06Z",
}


def landed(lake: Path, *records: dict[str, Any], table: Table = SCRIPT_RUNS) -> list[dict[str, Any]]:
    outcome = land(lake, answer_of(records, place=SHOP), table)[table.name]
    assert outcome.rejected == 0
    return rows(lake, table.name, "enterprise_tester")


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("script_run*.json")), ids=lambda file: file.stem)
def test_every_example_of_the_vendor_goes_through_the_contract(tmp_path: Path, file: Path) -> None:
    document = json.loads(file.read_bytes())
    records = document.get("Items", [document])
    kept = landed(tmp_path, *records)
    assert {row["id"] for row in kept} == {record["Id"].lower() for record in records}
    assert len(rows(tmp_path, "step_results", "enterprise_tester")) == len(records[-1].get("StepResults", []))
    outcome = land(tmp_path, answer_of(records, hour=1, place=SHOP), SCRIPT_RUNS)
    assert all(not landed.undeclared for landed in outcome.values())


def test_1_of_two_items_with_one_id_the_one_that_was_updated_last_stays(tmp_path: Path) -> None:
    document = json.loads((EXAMPLES / "script_runs.json").read_bytes())
    assert len(document["Items"]) == 2
    for order in (document["Items"], document["Items"][::-1]):
        outcome = land(tmp_path, answer_of(order, place=SHOP), SCRIPT_RUNS)["script_runs"]
        (row,) = rows(tmp_path, "script_runs", "enterprise_tester")
        assert (row["status"], row["last_updated_at"].year) == ("In Progress", 2012)
        assert row["last_updated_at"].month == 2
        assert outcome.duplicates == 1


def test_2_and_3_whose_step_it_is_follows_from_the_run_it_came_with(tmp_path: Path) -> None:
    empty, other = "00000000-0000-0000-0000-000000000000", "another-run"
    steps = [
        {"RunId": empty, "Id": "s1", "Outcome": "NotRun"},
        {"RunId": other, "Id": "s2", "Outcome": "Failed"},
    ]
    landed(tmp_path, RUN | {"StepResults": steps})
    kept = rows(tmp_path, "step_results", "enterprise_tester")
    assert [(row["run_id"], row["id"], row["step_index"]) for row in kept] == [
        ("abc", "s1", 0),
        ("abc", "s2", 1),
    ]


def test_4_ids_in_upper_case_are_the_ids_in_lower_case(tmp_path: Path) -> None:
    kept = landed(
        tmp_path, RUN, RUN | {"Id": "abc", "AssignmentId": "a", "LastUpdatedAt": "2026-03-02T16:00:00Z"}
    )
    assert [(row["id"], row["assignment_id"], row["_project_id"]) for row in kept] == [("abc", "a", "p-1")]


@pytest.mark.parametrize("duration", ["", "5 minutes", "about an hour", None])
def test_5_a_duration_is_kept_as_it_was_written(tmp_path: Path, duration: str | None) -> None:
    given = RUN | {"Status": "In Progress", "ActualDuration": duration}
    assert landed(tmp_path, given)[0]["actual_duration"] == duration
    assert landed(tmp_path, RUN | {"Id": "absent"})[1]["actual_duration"] is None


def test_6_a_script_may_have_the_id_of_its_assignment(tmp_path: Path) -> None:
    (row,) = landed(tmp_path, RUN | {"ScriptId": "F7B2", "AssignmentId": "f7b2"})
    assert row["script_id"] == row["assignment_id"] == "f7b2"


def test_9_the_host_of_self_is_only_kept(tmp_path: Path) -> None:
    assert landed(tmp_path, RUN | {"Self": "http://localhost/api/x"})[0]["self"] == "http://localhost/api/x"


def test_10_keys_that_come_and_go_with_the_version_are_no_news(tmp_path: Path) -> None:
    more = {
        "Completed": True,
        "Links": [{"Href": "x", "Rel": "y"}],
        "Expands": ["FieldControls"],
        "Widgets": [],
    }
    outcome = land(tmp_path, answer_of([RUN, RUN | more | {"Id": "d"}], place=SHOP), SCRIPT_RUNS)[
        "script_runs"
    ]
    assert outcome.undeclared == {}
    assert [row["completed"] for row in rows(tmp_path, "script_runs", "enterprise_tester")] == [None, True]
    assert [row["widgets"] for row in rows(tmp_path, "script_runs", "enterprise_tester")] == [None, "[]"]


def test_11_a_project_may_lack_its_organisation(tmp_path: Path) -> None:
    asyncio.run(landing.append(tmp_path, PROJECTS, "acme", answer_of([{"Id": "X", "Name": "Shop"}]), 300))
    (row,) = rows(tmp_path, "projects", "enterprise_tester")
    assert (row["id"], row["organisation_id"]) == ("x", None)


def test_a_creation_that_is_the_year_1_leaves_the_run_in_the_day_that_was_asked_for(tmp_path: Path) -> None:
    (row,) = landed(tmp_path, RUN | {"CreatedAt": "0001-01-01T00:00:00"})
    assert (row["created_at"], row["_issues"]) == (None, ["created_out_of_range"])


def test_required_texts_that_are_null_are_null(tmp_path: Path) -> None:
    landed(tmp_path, RUN | {"StepResults": [{"Id": "s1", "Data": None, "Notes": None, "ActualResult": None}]})
    (step,) = rows(tmp_path, "step_results", "enterprise_tester")
    assert (step["data"], step["notes"], step["actual_result"]) == (None, None, None)
