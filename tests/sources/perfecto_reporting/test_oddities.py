"""The oddities of the vendor's samples and clients that touch these tables, by what becomes of each; numbers as in
the list of oddities that the simulated lab follows (7).
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipelines.defs.sources.perfecto_reporting import client as reporting
from pipelines.defs.sources.perfecto_reporting.contract import COMMANDS, TEST_EXECUTIONS
from pipelines.lib.source_errors import Fault, NotAuthorised, OutOfRange
from tests.lib.landing_of import NOON, answer_of, column, commands_answer, land, rows, test

EXAMPLES = Path(__file__).parents[2] / "examples" / "perfecto_reporting"
SAMPLES = json.loads((EXAMPLES / "test_executions.json").read_bytes())["resources"]
SAMPLE_DAY = date(2018, 4, 16)


def landed(lake: Path, *records: dict[str, Any], day: date = date(2026, 3, 2)) -> list[dict[str, Any]]:
    outcome = land(lake, answer_of(records), day=day)
    assert all(each.rejected == 0 for each in outcome.values())
    return rows(lake, "test_executions")


def test_the_vendors_sample_of_executions_goes_through_the_contract(tmp_path: Path) -> None:
    outcome = land(tmp_path, answer_of(SAMPLES), day=SAMPLE_DAY)
    assert {name: (each.rows, each.rejected, dict(each.undeclared)) for name, each in outcome.items()} == {
        "test_executions": (2, 0, {}),
        "platforms": (2, 0, {}),
    }
    written = str(rows(tmp_path, "test_executions"))
    assert "signature" not in written
    assert "fileName=browser-console.txt.zip" in written


def test_the_vendors_sample_of_commands_goes_through_the_contract(tmp_path: Path) -> None:
    document = json.loads((EXAMPLES / "commands.json").read_bytes())
    envelope = msgspec.json.decode(json.dumps(document), type=reporting._Envelope)
    assert (
        len(envelope.resources) == 1
    )  # its metadata has a text for a time, and neither status nor `truncated`
    land(tmp_path, commands_answer(("57f612f1c6c46111b02db94f", document["resources"])), COMMANDS)
    kept = rows(tmp_path, "commands")
    assert [row["name"] for row in kept] == [
        command["name"] for command in document["resources"][0]["commands"]
    ]
    assert [row["status"] for row in kept] == ["SUCCESS", "FAILURE", "FAILURE"]
    assert kept[2]["expected_data"][1]["type"] == "IMAGE_KEY"
    assert kept[0]["screenshots"] is None
    assert all("signature" not in url for url in kept[2]["screenshots"])
    assert {row["step_name"] for row in kept} == {None}


def test_1_an_end_before_the_start_is_kept_and_flagged(tmp_path: Path) -> None:
    row = landed(tmp_path, SAMPLES[0], day=SAMPLE_DAY)[0]
    assert (row["start_time"], row["end_time"]) == (
        datetime(2018, 4, 16, 6, 1, 18, 650_000, UTC),
        datetime(2018, 4, 14, 1, 14, 44, 428_000, UTC),
    )
    assert row["_issues"] == ["end_before_start"]


def test_2_a_start_in_the_year_2452_stays_in_the_day_asked_for_with_its_number(tmp_path: Path) -> None:
    row = landed(tmp_path, SAMPLES[1], day=SAMPLE_DAY)[0]
    assert (row["start_time"], row["start_time_number"]) == (None, 15238557905579)
    assert row["_issues"] == ["start_out_of_range"]
    (file,) = (tmp_path / "perfecto_reporting/test_executions/connection=acme").glob("*/*.parquet")
    assert file.parent.name == "dt=2018-04-16"


def test_3_the_times_of_videos_are_the_vendors_numbers(tmp_path: Path) -> None:
    kept = landed(tmp_path, *SAMPLES, day=SAMPLE_DAY)
    assert [[v["start_time"], v["end_time"]] for row in kept for v in row["videos"]] == [
        [1588858467015, 152385888894],
        [1523845681, 1523845610053],
    ]
    assert kept[0]["videos"][0]["screen_height"] == 1920


@pytest.mark.parametrize("end", [0, -1, None])
def test_4_a_test_that_has_not_ended_has_no_end(tmp_path: Path, end: int | None) -> None:
    (row,) = landed(tmp_path, test("a", endTime=end))
    assert (row["end_time"], row["end_time_number"], row["_issues"]) == (None, end, ["end_missing"])


@pytest.mark.parametrize("created_at", [b"1523859648413", b'"1452419076769"'])
def test_5_the_time_of_an_answer_may_be_a_number_or_a_text(created_at: bytes) -> None:
    body = b'{"resources": [], "metadata": {"createdAt": %s, "truncated": false}}' % created_at
    assert msgspec.json.decode(body, type=reporting._Envelope).metadata.truncated is False


def test_6_and_7_platforms_come_in_any_number_and_shape(tmp_path: Path) -> None:
    platforms = [
        {"deviceType": "DESKTOP", "screenResolution": "1024x768"},
        {"deviceType": "DESKTOP", "deviceId": "1_x", "screenResolution": "1080*1920"},
        {"deviceType": "SIMULATOR", "deviceId": "s", "mobileInfo": {"model": "iPad", "hasAudio": False}},
    ]
    landed(tmp_path, test("none", platforms=[]), test("absent"), test("three", platforms=platforms))
    kept = rows(tmp_path, "platforms")
    assert [(row["test_execution_id"], row["platform_index"], row["device_id"]) for row in kept] == [
        ("three", 0, None),
        ("three", 1, "1_x"),
        ("three", 2, "s"),
    ]
    assert kept[1]["screen_resolution"] == "1080*1920"
    assert (kept[2]["mobile_info_model"], kept[2]["mobile_info_has_audio"]) == ("iPad", False)


def test_8_and_9_ids_and_urls_are_never_read_for_meaning(tmp_path: Path) -> None:
    row = landed(tmp_path, SAMPLES[0], day=SAMPLE_DAY)[0]
    assert row["external_id"].endswith("RemoteWebDriver_08-08-16_06_66_36")
    assert row["id"] not in row["report_url"]


def test_10_whole_objects_may_be_absent(tmp_path: Path) -> None:
    bare, no_number = landed(tmp_path, {"id": "a", "startTime": NOON}, test("b", job={"name": "nightly"}))
    assert bare["_issues"] == ["end_missing"]
    assert [
        bare[name] for name in ("job_name", "project_name", "failure_reason_name", "message", "videos")
    ] == [None] * 5
    assert (no_number["job_name"], no_number["job_number"], no_number["_issues"]) == ("nightly", None, [])


@pytest.mark.parametrize(
    ("number", "kept", "issues"),
    [
        (45, 45, []),
        ("45", 45, ["job_number_not_integer"]),
        ("45a", None, ["job_number_not_integer"]),
        (45.0, 45, []),
    ],
)
def test_11_a_job_number_that_is_no_number_is_flagged_and_read_where_it_can_be(
    tmp_path: Path, number: Any, kept: int | None, issues: list[str]
) -> None:
    (row,) = landed(tmp_path, test("a", job={"number": number}))
    assert (row["job_number"], row["_issues"]) == (kept, issues)


def test_12_both_spellings_of_the_format_and_of_the_criteria_are_read(tmp_path: Path) -> None:
    criteria = [
        {"selectionCriteria": {"platformName": "Android"}},
        {"selectionCriteriaV2": [{"name": "a", "value": "b"}]},
    ]
    videos = [{"format": "MP4"}, {"videoFormat": "FLV", "streamingUrl": "https://x/y.m3u8?token=z"}]
    (row,) = landed(tmp_path, test("a", platforms=criteria, videos=videos))
    assert [(v["format"], v["video_format"], v["streaming_url"]) for v in row["videos"]] == [
        ("MP4", None, None),
        (None, "FLV", "https://x/y.m3u8?"),
    ]
    old, new = rows(tmp_path, "platforms")
    assert (json.loads(old["selection_criteria"]), old["selection_criteria_v2"]) == (
        {"platformName": "Android"},
        None,
    )
    assert (new["selection_criteria"], new["selection_criteria_v2"]) == (None, [{"name": "a", "value": "b"}])


@pytest.mark.parametrize("status", ["PASSED", "FAILED", "UNKNOWN", "BLOCKED", "USERABORTED", ""])
def test_13_any_status_is_kept_as_it_is(tmp_path: Path, status: str) -> None:
    assert landed(tmp_path, test("a", status=status))[0]["status"] == status


def test_14_a_reason_that_changes_or_is_cleared_later_follows(tmp_path: Path) -> None:
    for hour, reason in enumerate(("App crashed", "Application crashed", None)):
        land(tmp_path, answer_of([test("a", failureReasonName=reason)], hour=hour))
        assert column(tmp_path, "test_executions", "failure_reason_name") == {"a": reason}


def test_15_and_16_names_and_messages_are_kept_to_the_letter(tmp_path: Path) -> None:
    name = "/ : \" ? ' < > | * % & \u00e9\U0001f600 " + "x" * 120
    message = "HANDSET_ERROR\n\tat a=b\r\n\u2028\x00end"
    first, second = landed(tmp_path, test("a", name=name, message=message), test("b", name=name))
    assert (first["name"], first["message"], second["name"]) == (name, message, name)
    escaped = (
        b'{"id":"c","startTime":1772452800000,"endTime":1772452800001,"message":"a\\u003db \\u0027x\\u0027"}'
    )
    land(tmp_path, answer_of([escaped], hour=1, complete=False))
    assert column(tmp_path, "test_executions", "message")["c"] == "a=b 'x'"
    assert column(tmp_path, "test_executions", "_raw")["c"] == escaped.decode()


def test_17_tags_are_kept_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    tags = ["a55582871-c524-4f31", "Native", "Java"]
    assert landed(tmp_path, test("a", tags=tags))[0]["tags"] == tags


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (200, "Time period is not in supported range. Try another", OutOfRange),
        (400, "Time period is not in supported range", OutOfRange),
        (500, "Failed decoding the offline token: x", NotAuthorised),
        (200, "Unable to authenticate bearer token", NotAuthorised),
        (200, "Missing Perfecto-TenantId header", NotAuthorised),
        (200, "Something went wrong", Fault),
    ],
)
def test_19_an_error_message_says_more_than_its_status(
    status: int, words: str, kind: type[Exception]
) -> None:
    body = json.dumps([{"userMessage": words, "developerMessage": "1-63dbebb1"}]).encode()
    assert type(reporting.complaint(status, body)) is kind


def test_19_an_answer_that_is_no_error_message_has_no_complaint() -> None:
    assert reporting.complaint(200, b'{"resources": [], "metadata": {}}') is None
    assert reporting.complaint(502, b"<html>") is None


def test_23_days_are_of_utc(tmp_path: Path) -> None:
    start = 1_772_409_600_000  # 2026-03-02T00:00:00Z
    first, last = landed(tmp_path, test("a", startTime=start), test("b", startTime=start + 86_399_999))
    assert (first["_issues"], last["_issues"]) == ([], ["end_before_start"])
    (after,) = landed(tmp_path / "other", test("c", startTime=start + 86_400_000, endTime=start + 86_400_001))
    assert after["_issues"] == ["start_outside_day"]


def test_the_columns_are_the_vendors_names_in_snake_case() -> None:
    names = TEST_EXECUTIONS.schema.names
    assert [n for n in names if n.startswith(("job", "project", "execution"))] == [
        "job_name",
        "job_number",
        "job_branch",
        "project_name",
        "project_version",
        "execution_engine_version",
    ]
    assert names[-4:] == ["_raw", "_fetched_at", "_issues", "_missing_since"]


def test_fields_of_a_step_that_nobody_declared_warn_and_are_kept_with_its_commands(tmp_path: Path) -> None:
    steps = [
        {"name": "one", "stepStatus": "FAILED", "commands": [{"name": "open", "odd": 2}, {"name": "close"}]},
        {"name": "two", "stepStatus": "PASSED", "more": {"imei": "4711", "a": [1]}},
        {"name": "three", "commands": [{"name": "type"}]},
    ]
    outcome = land(tmp_path, commands_answer(("t", steps)), COMMANDS)["commands"]
    assert dict(outcome.undeclared) == {"step.stepStatus": 2, "step.more": 1, "odd": 1}
    assert outcome.rejected == 0
    kept = [
        (row["step_name"], row["name"], json.loads(row["_step_undeclared"] or "null"))
        for row in rows(tmp_path, "commands")
    ]
    assert kept == [
        ("one", "open", {"stepStatus": "FAILED"}),
        ("one", "close", {"stepStatus": "FAILED"}),
        ("two", None, {"stepStatus": "PASSED", "more": {"a": [1]}}),
        ("three", "type", None),
    ]
