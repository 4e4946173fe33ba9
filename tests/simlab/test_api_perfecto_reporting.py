"""The reporting export over HTTP: who may ask, which tests are listed, in which order and state."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from simlab.api.perfecto_records import failure_reason_id
from simlab.server import Lab
from simlab.world.model import Edit
from tests.simlab.serving import TOKENS, Reporting, names, serving
from tests.simlab.tiny_world import (
    DAY,
    DESKTOP,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    TABLET,
    TinyPerfecto,
    test_run,
)

MORNING = NOON - 12 * HOUR
URL = "/export/api/v3/test-executions"


@pytest.fixture(scope="module")
def one_test() -> Iterator[Lab]:
    with serving(TinyPerfecto([test_run(1, NOON)])) as lab:
        yield lab


def asked(lab: Lab, headers: dict[str, str]) -> httpx.Response:
    return Reporting(lab, headers=headers).get()


@pytest.mark.parametrize(
    "name",
    ["Perfecto-Authorization", "PERFECTO_AUTHORIZATION", "PERFECTO-AUTHORIZATION", "perfecto_authorization"],
)
def test_every_spelling_of_the_token_header_is_accepted(one_test: Lab, name: str) -> None:
    answer = asked(one_test, {name: TOKENS.admin})
    assert answer.status_code == 200
    assert len(answer.json()["resources"]) == 1


def test_the_tenant_header_is_optional_and_must_be_the_clouds_own(one_test: Lab) -> None:
    token = {"Perfecto-Authorization": TOKENS.admin}
    assert asked(one_test, token | {"perfecto-tenantid": "acme-perfectomobile-com"}).status_code == 200
    refused = asked(one_test, token | {"Perfecto-TenantId": "other-perfectomobile-com"})
    assert refused.status_code == 403
    assert list(refused.json()[0]) == ["userMessage"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Perfecto-Authorization": "eyJsimlab.other.admin-offline-token"}, 401),
        ({"Perfecto-Authorization": "not-a-token"}, 500),
        ({"Authorization": f"Bearer {TOKENS.admin}"}, 401),
    ],
)
def test_a_bad_token_is_answered_by_an_array_of_messages(
    one_test: Lab, headers: dict[str, str], status: int
) -> None:
    answer = asked(one_test, headers)
    assert answer.status_code == status
    assert [list(message) for message in answer.json()] == [["userMessage"]]
    # As the vendor does, the answer to a token that cannot be decoded says it: what reads it must not pass it on.
    assert [token for token in headers.values() if token in answer.text] == (
        ["not-a-token"] if status == 500 else []
    )


def test_both_bounds_compare_the_tests_start_and_are_included() -> None:
    long_one = test_run(2, NOON - HOUR, ended_at=NOON + HOUR, name="long")
    runs = [long_one, test_run(1, NOON, name="first"), test_run(3, NOON + MINUTE, name="last")]
    with serving(TinyPerfecto(runs), clock="2026-03-02T15:00:00Zx0") as lab:
        reporting = Reporting(lab)
        assert names(reporting.tests(NOON, NOON + MINUTE)) == ["last", "first"]
        assert names(reporting.tests(NOON + 1, NOON + MINUTE)) == ["last"]
        assert names(reporting.tests(NOON, NOON + MINUTE - 1)) == ["first"]
        assert names(reporting.tests(NOON - HOUR, NOON - HOUR)) == ["long"]


def test_the_end_counts_only_beside_a_start(one_test: Lab) -> None:
    reporting = Reporting(one_test)
    assert reporting.get("", f"endExecutionTime[0]={NOON - DAY}").json()["resources"]
    assert not reporting.tests(NOON - DAY, NOON - 1)


def test_brackets_come_raw_or_encoded(one_test: Lab) -> None:
    reporting = Reporting(one_test)
    raw = reporting.get("", f"startExecutionTime[0]={NOON + 1}")
    encoded = reporting.get("", f"startExecutionTime%5B0%5D={NOON + 1}")
    assert raw.json()["resources"] == encoded.json()["resources"] == []


def test_a_number_that_is_none_is_refused(one_test: Lab) -> None:
    for query in ("startExecutionTime[0]=yesterday", "_page=two", "_page=0"):
        answer = Reporting(one_test).get("", query)
        assert answer.status_code == 400
        assert answer.json()[0]["userMessage"]


@pytest.fixture(scope="module")
def many_tests() -> Iterator[Lab]:
    runs = [test_run(n, MORNING + n * SECOND, name=f"test {n}") for n in range(1, 1_101)]
    with serving(TinyPerfecto(runs)) as lab:
        yield lab


def test_pages_are_of_500_newest_first_and_the_last_is_not_truncated(many_tests: Lab) -> None:
    reporting = Reporting(many_tests)
    pages = [reporting.page(MORNING, MORNING + DAY - 1, page) for page in (1, 2, 3, 4)]
    assert [len(page["resources"]) for page in pages] == [500, 500, 100, 0]
    assert [page["metadata"]["page"] for page in pages] == [1, 2, 3, 4]
    assert [page["metadata"]["truncated"] for page in pages] == [True, True, False, False]
    listed = [test["startTime"] for page in pages for test in page["resources"]]
    assert listed == sorted(listed, reverse=True)
    assert len(set(listed)) == 1_100


def test_a_last_page_of_exactly_500_says_truncated_and_an_empty_page_follows(many_tests: Lab) -> None:
    reporting = Reporting(many_tests)
    first, second = (reporting.page(MORNING + SECOND, MORNING + 500 * SECOND, page) for page in (1, 2))
    assert (len(first["resources"]), first["metadata"]["truncated"]) == (500, True)
    assert (len(second["resources"]), second["metadata"]["truncated"]) == (0, False)


def test_without_a_page_the_first_is_given(many_tests: Lab) -> None:
    answer = Reporting(many_tests).get().json()
    assert answer["metadata"]["page"] == 1
    assert len(answer["resources"]) == 500


def test_no_test_comes_twice_unless_it_is_marked_so(many_tests: Lab) -> None:
    listed = [test["id"] for test in Reporting(many_tests).all_tests(MORNING, MORNING + DAY - 1)]
    assert len(listed) == len(set(listed)) == 1_100


def test_a_test_marked_as_repeated_comes_again_at_the_head_of_the_next_page() -> None:
    runs = [test_run(n, MORNING + n * SECOND) for n in range(1, 601)]
    marked = test_run(590, MORNING + 590 * SECOND, oddity="repeated_on_next_page")
    runs[589] = marked
    with serving(TinyPerfecto(runs)) as lab:
        reporting = Reporting(lab)
        first, second = (reporting.page(MORNING, MORNING + DAY - 1, page) for page in (1, 2))
        assert marked.id in [test["id"] for test in first["resources"]]
        assert second["resources"][0]["id"] == marked.id
        assert len(second["resources"]) == 101
        # Alone on one page, it is there once.
        assert len(reporting.tests(marked.started_at, marked.started_at)) == 1


def test_metadata_says_who_asked_and_when(one_test: Lab) -> None:
    metadata = Reporting(one_test).get().json()["metadata"]
    assert metadata["createdAt"] == one_test.clock.now()
    assert metadata["apiVersion"] == "v1"
    assert metadata["tenantId"] == "acme-perfectomobile-com"
    assert "@" in metadata["userId"]


FILTERED = [
    ("externalId[0]=session-a", {"a"}),
    ("executionId[0]=session-a", {"a"}),
    (f"id[0]={2:024x}", {"b"}),
    ("tags[0]=Java", {"a", "b"}),
    ("tags[0]=Java&tags[1]=Swift", {"a", "b", "c"}),
    ("xtags[0]=Java", {"c", "d"}),
    ("status[0]=PASSED&status[1]=BLOCKED", {"b", "d"}),
    ("xstatus[0]=PASSED", {"a", "c", "d"}),
    ("os[0]=IOS", {"c"}),
    ("browserType[0]=INTERNET_EXPORER", {"b"}),
    ("browserType[0]=INTERNET_EXPLORER", {"b"}),
    ("browserVersion[0]=latest%20(11)", {"b"}),
    ("screenResolution[0]=1024x768", {"b"}),
    ("deviceType[0]=DESKTOP", {"b"}),
    ("deviceModel[0]=iPad%20Air", {"c"}),
    ("deviceId[0]=F3C05B44", {"a"}),
    ("jobName[0]=nightly", {"a", "b"}),
    ("jobNumber[0]=45", {"a"}),
    ("jobBranch[0]=release", {"b"}),
    ("projectName[0]=Shop", {"a", "b", "c"}),
    ("projectVersion[0]=2.0", {"c"}),
    (f"failureReason[0]={failure_reason_id('acme', 'App crashed')}", {"c"}),
    ("customField.team[0]=search", {"d"}),
    ("xcustomField.team[0]=search", {"a", "b", "c"}),
    ("triggerType[0]=Manual", {"d"}),
    ("status[0]=FAILED&status[1]=BLOCKED&tags[0]=Java&tags[1]=Native", {"a"}),
    ("_search=x&_searchViewAll=false", {"a", "b", "c", "d"}),
]


@pytest.fixture(scope="module")
def four_tests() -> Iterator[Lab]:
    bare: dict[str, object] = {"job_name": None, "job_number": None, "job_branch": None}
    runs = [
        test_run(1, NOON, name="a", external_id="session-a", tags=("Native", "Java")),
        test_run(
            2, NOON + 1, name="b", status="PASSED", tags=("Java",), devices=(DESKTOP,), job_number=46,
            job_branch="release", failure_reason_name=None,
        ),
        test_run(
            3, NOON + 2, name="c", tags=("Swift",), devices=(TABLET,), project_version="2.0",
            failure_reason_name="App crashed", **bare,
        ),
        test_run(
            4, NOON + 3, name="d", status="BLOCKED", tags=(), devices=(), project_name=None, project_version=None,
            custom_fields=(("team", "search"),), trigger_type="Manual", failure_reason_name=None, **bare,
        ),
    ]  # fmt: skip
    with serving(TinyPerfecto(runs)) as lab:
        yield lab


@pytest.mark.parametrize(("query", "expected"), FILTERED)
def test_fields_must_all_hold_and_values_of_one_are_alternatives(
    four_tests: Lab, query: str, expected: set[str]
) -> None:
    assert set(names(Reporting(four_tests).get("", query).json()["resources"])) == expected


def test_a_second_start_time_is_ignored(four_tests: Lab) -> None:
    answer = Reporting(four_tests).get("", f"startExecutionTime[0]={NOON}&startExecutionTime[1]=custom")
    assert len(answer.json()["resources"]) == 4


def test_older_than_the_retention_is_refused_by_a_message() -> None:
    with serving(TinyPerfecto([test_run(1, NOON)]), clock="2026-05-31T13:00:00Zx0") as lab:
        reporting = Reporting(lab)
        assert names(reporting.tests(NOON + HOUR, NOON + DAY)) == []
        refused = reporting.get("", f"startExecutionTime[0]={NOON + HOUR - 1}")
        assert refused.status_code == 400
        assert "not in supported range" in refused.json()[0]["userMessage"]
        assert reporting.get(f"/{1:024x}/commands").status_code == 404
        assert reporting.get().json()["resources"] == []


def test_days_outside_the_world_are_empty(one_test: Lab) -> None:
    assert Reporting(one_test).tests(NOON - 30 * DAY, NOON - 20 * DAY) == []


def test_a_running_test_has_end_time_zero_and_is_unknown() -> None:
    with serving(
        TinyPerfecto([test_run(1, NOON, ended_at=NOON + HOUR)]), clock="2026-03-02T12:30:00Zx0"
    ) as lab:
        [test] = Reporting(lab).tests(NOON, NOON)
        assert (test["endTime"], test["status"]) == (0, "UNKNOWN")
        assert test["videos"] == test["artifacts"] == []
        assert not {"message", "failureReasonName"} & set(test)
        lab.clock.advance(HOUR)
        [test] = Reporting(lab).tests(NOON, NOON)
        assert (test["endTime"], test["status"]) == (NOON + HOUR, "FAILED")
        assert test["videos"]
        assert test["message"]


def test_a_test_that_has_not_begun_is_not_listed() -> None:
    with serving(TinyPerfecto([test_run(1, NOON)]), clock="2026-03-02T11:59:59Zx0") as lab:
        assert Reporting(lab).tests(NOON, NOON) == []
        lab.clock.advance(SECOND)
        assert len(Reporting(lab).tests(NOON, NOON)) == 1


def test_a_late_test_appears_hours_after_its_end_and_at_its_true_start() -> None:
    late = test_run(1, NOON, visible_at=NOON + 5 * HOUR)
    with serving(TinyPerfecto([late]), clock="2026-03-02T16:59:59Zx0") as lab:
        assert Reporting(lab).tests(NOON, NOON) == []
        assert Reporting(lab).get(f"/{late.id}/commands").status_code == 404
        lab.clock.advance(SECOND)
        assert [test["startTime"] for test in Reporting(lab).tests(NOON, NOON)] == [NOON]


def test_processing_lasts_three_minutes_after_the_end_and_holds_back_videos() -> None:
    runs = [test_run(1, NOON), test_run(2, NOON - HOUR)]
    with serving(TinyPerfecto(runs), clock="2026-03-02T12:01:30Zx0") as lab:
        reporting = Reporting(lab)
        page = reporting.page(NOON - HOUR, NOON)
        assert page["metadata"]["processingStatus"] == "PROCESSING"
        assert [len(test["videos"]) for test in page["resources"]] == [0, 1]
        assert page["resources"][0]["status"] == "FAILED"
        assert (
            reporting.page(NOON - HOUR, NOON - HOUR)["metadata"]["processingStatus"] == "PROCESSING_COMPLETE"
        )
        lab.clock.advance(150 * SECOND)
        page = reporting.page(NOON - HOUR, NOON)
        assert page["metadata"]["processingStatus"] == "PROCESSING_COMPLETE"
        assert [len(test["videos"]) for test in page["resources"]] == [1, 1]


def test_a_failure_reason_changes_and_is_cleared_when_the_clock_gets_there() -> None:
    edits = (Edit(NOON + 2 * HOUR, "App crashed"), Edit(NOON + 3 * HOUR, None))
    with serving(TinyPerfecto([test_run(1, NOON, edits=edits)])) as lab:
        shown = []
        for _ in range(3):
            shown.append(Reporting(lab).tests(NOON, NOON)[0].get("failureReasonName", "absent"))
            lab.clock.advance(HOUR)
        assert shown == ["Element not found", "App crashed", "absent"]


def test_a_crashed_test_never_gets_an_end() -> None:
    crashed = [
        test_run(n, NOON + n, ended_at=None, status="UNKNOWN", visible_at=NOON + MINUTE) for n in range(20)
    ]
    with serving(TinyPerfecto(crashed)) as lab:
        ends = {test.get("endTime", "absent") for test in Reporting(lab).tests(NOON, NOON + DAY)}
        assert ends == {0, "absent"}


def test_text_is_escaped_as_the_vendors_server_escapes_it(one_test: Lab) -> None:
    text = Reporting(one_test).get().text
    assert r"fileName\u003d" in text
    assert r"\u0026signature\u003d" in text
    assert "=" not in text
    assert r"\u003cpay\u003e \u0026 \u0027go\u0027" in text


def test_keys_without_a_value_are_absent() -> None:
    bare = test_run(
        1, NOON, job_name=None, job_number=None, job_branch=None, project_name=None, message=None, trigger_type=None,
        failure_reason_name=None, automation_framework=None, parameters=(), custom_fields=(), tags=(),
    )  # fmt: skip
    numberless = test_run(2, NOON + 1, job_number=None, job_branch=None, project_version=None)
    with serving(TinyPerfecto([bare, numberless])) as lab:
        other, test = Reporting(lab).tests(NOON, NOON + 1)
        absent = {"job", "project", "message", "triggerType", "failureReasonName", "automationFramework"}
        assert not (absent | {"parameters", "customFields"}) & set(test)
        assert other["job"] == {"name": "nightly"}
        assert other["project"] == {"name": "Shop"}


def test_a_custom_field_may_be_null_and_tags_keep_no_order() -> None:
    tags = tuple(f"tag {n}" for n in range(9))
    with serving(TinyPerfecto([test_run(1, NOON, tags=tags), test_run(2, NOON + 1, tags=tags)])) as lab:
        second, first = Reporting(lab).tests(NOON, NOON + 1)
        assert {"name": "lane", "value": None} in first["customFields"]
        assert sorted(first["tags"]) == sorted(second["tags"]) == sorted(tags)
        assert first["tags"] != second["tags"]
        assert first["tags"] == Reporting(lab).tests(NOON, NOON)[0]["tags"]


def test_asking_twice_gives_the_same_records(many_tests: Lab) -> None:
    reporting = Reporting(many_tests)
    first, second = (
        reporting.get("", f"startExecutionTime[0]={MORNING}").json()["resources"] for _ in range(2)
    )
    assert first == second
