"""Each documented oddity, as the reporting export really serves it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from simlab.api.perfecto_oddities import ODDITIES, REPEATED_ON_NEXT_PAGE
from simlab.world.oddities import SHOWN_BY_THE_API
from tests.simlab.serving import Record, Reporting, serving
from tests.simlab.tiny_world import DESKTOP, NOON, PHONE, SIMULATOR, TABLET, TinyPerfecto, test_run

DAY = 86_400_000
DESKTOP_ONLY = {"desktop_without_device_id"}


@pytest.fixture(scope="module")
def odd() -> Iterator[dict[str, Record]]:
    """One test per oddity, by its name, and a sane one."""
    runs = [
        test_run(
            number,
            NOON + number,
            oddity=name,
            name=name,
            devices=(DESKTOP if name in DESKTOP_ONLY else PHONE,),
        )
        for number, name in enumerate(SHOWN_BY_THE_API)
    ]
    runs.append(test_run(98, NOON + 98, name="unheard of", oddity="unheard_of"))
    runs.append(test_run(99, NOON + 99, name="sane"))
    with serving(TinyPerfecto(runs)) as lab:
        yield {str(test["name"]): test for test in Reporting(lab).tests(NOON, NOON + 99)}


def test_every_oddity_that_the_world_marks_is_known_here() -> None:
    assert set(SHOWN_BY_THE_API) <= set(ODDITIES)


def test_every_marked_test_differs_from_a_sane_one(odd: dict[str, Record]) -> None:
    sane = without_identity(odd["sane"])
    same = {name for name, test in odd.items() if without_identity(test) == sane}
    assert same == {"sane", "unheard of", "escaped_text", REPEATED_ON_NEXT_PAGE}


def without_identity(test: Record) -> object:
    """The test's form: times relative to its id's number, nothing that follows from the id alone."""
    kept = {
        key: test.get(key) for key in ("job", "platforms", "executionEngine", "triggerType") if key in test
    }
    kept |= {"keys": sorted(test), "urls": str(test["id"]) in str(test["reportURL"])}
    kept["executionEngine"] = "executionEngine" in test
    number = int(str(test["id"]), 16)
    kept["times"] = (test["startTime"] - NOON - number, test["endTime"] - NOON - number)
    kept["videos"] = [
        (v["startTime"] - NOON - number, v["endTime"] - NOON - number) for v in test.get("videos", ())
    ]
    kept["platforms"] = [platform | {"customFields": []} for platform in test["platforms"]]
    return kept


def test_an_end_lies_before_its_start(odd: dict[str, Record]) -> None:
    test = odd["end_before_start"]
    assert 2.1 * DAY < test["startTime"] - test["endTime"] < 2.3 * DAY


def test_a_start_has_fourteen_digits_and_its_end_is_sane(odd: dict[str, Record]) -> None:
    test = odd["fourteen_digit_start"]
    assert len(str(test["startTime"])) == 14
    assert len(str(test["endTime"])) == 13


def test_an_ended_test_shows_an_end_of_zero(odd: dict[str, Record]) -> None:
    assert (odd["end_zero"]["endTime"], odd["end_zero"]["status"]) == (0, "FAILED")


def test_a_resolution_has_a_star(odd: dict[str, Record]) -> None:
    assert odd["resolution_star"]["platforms"][0]["screenResolution"] == "1440*2960"
    assert odd["sane"]["platforms"][0]["screenResolution"] == "1440x2960"


def test_a_desktop_has_no_device_id(odd: dict[str, Record]) -> None:
    [platform] = odd["desktop_without_device_id"]["platforms"]
    assert "deviceId" not in platform
    assert "browserInfo" in platform


def test_a_phone_has_no_mobile_info(odd: dict[str, Record]) -> None:
    [platform] = odd["mobile_without_info"]["platforms"]
    assert platform["deviceType"] == "MOBILE"
    assert "mobileInfo" not in platform


def test_the_report_names_another_test(odd: dict[str, Record]) -> None:
    assert odd["report_url_mismatch"]["id"] not in odd["report_url_mismatch"]["reportURL"]
    assert odd["sane"]["reportURL"].endswith(odd["sane"]["id"])


def test_a_videos_times_have_ten_and_twelve_digits(odd: dict[str, Record]) -> None:
    [video] = odd["video_seconds"]["videos"]
    assert (len(str(video["startTime"])), len(str(video["endTime"]))) == (10, 12)


def test_a_video_lies_two_years_after_its_test(odd: dict[str, Record]) -> None:
    test = odd["video_long_after"]
    assert test["videos"][0]["startTime"] - test["startTime"] == 2 * 365 * DAY


def test_a_job_number_is_text(odd: dict[str, Record]) -> None:
    assert odd["job_number_text"]["job"]["number"] == "45"
    assert odd["sane"]["job"]["number"] == 45


def test_whole_objects_are_missing(odd: dict[str, Record]) -> None:
    missing = {"videos", "artifacts", "executionEngine", "customFields", "parameters", "triggerType"}
    assert not missing & set(odd["missing_objects"])
    assert missing <= set(odd["sane"])


def test_selection_criteria_are_an_object_or_an_array(odd: dict[str, Record]) -> None:
    [old], [new] = odd["selection_criteria_object"]["platforms"], odd["sane"]["platforms"]
    assert old["selectionCriteria"] == {"platformName": "Android", "platformVersion": "8.0.0"}
    assert "selectionCriteriaV2" not in old
    assert {"name": "platformName", "value": "Android"} in new["selectionCriteriaV2"]
    assert "selectionCriteria" not in new


def test_videos_name_their_format_by_either_key() -> None:
    with serving(TinyPerfecto([test_run(n, NOON + n) for n in range(40)])) as lab:
        videos = [video for test in Reporting(lab).tests(NOON, NOON + 40) for video in test["videos"]]
        assert {key for video in videos for key in video if "ormat" in key} == {"format", "videoFormat"}
        assert any("streamingUrl" in video for video in videos)
        assert any("streamingUrl" not in video for video in videos)


def test_a_test_has_no_device_one_or_several_of_any_type() -> None:
    runs = [
        test_run(1, NOON + 1, devices=(), status="BLOCKED"),
        test_run(2, NOON + 2, devices=(PHONE, TABLET)),
        test_run(3, NOON + 3, devices=(SIMULATOR,)),
        test_run(4, NOON + 4, devices=(DESKTOP,)),
    ]
    with serving(TinyPerfecto(runs)) as lab:
        desktop, simulator, two, none = (test["platforms"] for test in Reporting(lab).tests(NOON, NOON + 9))
        assert none == []
        assert [platform["alias"] for platform in two] == ["device1", "device2"]
        assert "alias" not in simulator[0]
        assert simulator[0]["mobileInfo"]["manufacturer"] == "Apple"
        assert "browserInfo" not in simulator[0]
        assert "mobileInfo" not in desktop[0]
        assert desktop[0]["browserInfo"] == {
            "browserType": "INTERNET_EXPLORER",
            "browserVersion": "latest (11)",
        }
        assert two[1]["screenResolution"] == "2048x1536"


def test_a_phone_tells_what_must_not_be_kept(odd: dict[str, Record]) -> None:
    info = odd["sane"]["platforms"][0]["mobileInfo"]
    assert (info["imei"], info["imsi"], info["phoneNumber"]) == (PHONE.imei, PHONE.imsi, PHONE.phone_number)
    assert info["operator"] == "AT&T-United States of America"


def test_links_carry_signatures(odd: dict[str, Record]) -> None:
    test = odd["sane"]
    links = [video["downloadUrl"] for video in test["videos"]] + [
        artifact["path"] for artifact in test["artifacts"]
    ]
    assert links
    assert all(re.search(r"\?fileName=[^&]+&signature=[0-9a-f]{64}$", link) for link in links)


def test_artifacts_may_lack_all_but_type_and_path() -> None:
    crash = test_run(500, NOON + 500, message="App crashed: SIGSEGV", devices=(TABLET,))
    with serving(TinyPerfecto([crash, *(test_run(n, NOON + n) for n in range(40))])) as lab:
        artifacts = [a for test in Reporting(lab).tests(NOON, NOON + 999) for a in test["artifacts"]]
        assert {"type", "path"} in [set(artifact) for artifact in artifacts]
        assert {"type", "path", "contentType", "fileName", "zipped"} in [
            set(artifact) for artifact in artifacts
        ]
        assert {a["type"] for a in artifacts} >= {"DEVICE_LOGS", "NETWORK", "IMAGE", "APP_CRASH_REPORT"}


def test_names_and_messages_arrive_as_they_are() -> None:
    name = """a/b: "c"? 'd' <e> f|g *h* 100% & more""" + "x" * 120
    message = 'HANDSET_ERROR\n\tat a.b(C.java:1)\n\u00e4\u00f6\u00fc \u2028 \U0001f600 key=value \\ "quoted"'
    device = replace(PHONE, description="a, b & c")
    with serving(TinyPerfecto([test_run(1, NOON, name=name, message=message, devices=(device,))])) as lab:
        [test] = Reporting(lab).tests(NOON, NOON)
        assert test["name"] == name
        assert test["message"] == message
        assert test["platforms"][0]["mobileInfo"]["description"] == "a, b & c"
