"""Devices, reservations and script executions of a Perfecto cloud over HTTP, in JSON and in XML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from defusedxml import ElementTree as SafeET

from simlab.server import Lab
from simlab.world.model import Reservation
from tests.simlab.serving import HTTP, TOKENS, serving
from tests.simlab.tiny_world import (
    DAY,
    DESKTOP,
    HOUR,
    MINUTE,
    NOON,
    PHONE,
    SIMULATOR,
    TABLET,
    TinyPerfecto,
    test_run,
)

WRONG_TOKEN = "eyJ-wrong"
DEVICES = "/api/v1/device-management/devices"
PHONES = [replace(PHONE, device_id=f"F3C05B{n:02d}") for n in range(12)]
LOST = replace(PHONE, device_id="LOST0001")
BROKEN = replace(PHONE, device_id="BROKEN01")
SERVICED = replace(PHONE, device_id="SERVICED")
RESERVED = Reservation("87640", "F3C05B02", "ann@lab.example", NOON - HOUR, NOON + HOUR, NOON - DAY, "demo")
PLANNED = Reservation(
    "87641", TABLET.device_id, "bob@lab.example", NOON + DAY, NOON + DAY + HOUR, NOON - HOUR, "test"
)
PAST = Reservation(
    "87642", "F3C05B03", "bob@lab.example", NOON - 5 * HOUR, NOON - 4 * HOUR, NOON - DAY, "past"
)
UNMADE = Reservation(
    "87643", "F3C05B04", "bob@lab.example", NOON + DAY, NOON + DAY + HOUR, NOON + HOUR, "unmade"
)


def cloud() -> TinyPerfecto:
    return TinyPerfecto(
        [
            test_run(
                1, NOON - MINUTE, ended_at=NOON + HOUR, devices=(PHONES[0],), external_id="live", name="pays"
            ),
            test_run(2, NOON - 2 * HOUR, devices=(PHONES[1],), external_id="done", status="PASSED"),
            test_run(3, NOON - 3 * HOUR, devices=(PHONES[1],), external_id="bad", owner="bob@lab.example"),
        ],
        fleet=[*PHONES, TABLET, SIMULATOR, DESKTOP, LOST, BROKEN, SERVICED],
        states={"LOST0001": "NOT_CONNECTED", "BROKEN01": "ERROR", "SERVICED": "MAINTENANCE"},
        planned=[RESERVED, PLANNED, PAST, UNMADE],
    )


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with serving(cloud(), clock="2026-03-02T12:00:00Zx0") as lab:
        yield lab


def devices(lab: Lab, body: object = None, path: str = DEVICES, token: str = TOKENS.admin) -> httpx.Response:
    url = lab.urls["perfecto"]["acme"]["app_url"] + path
    headers = {"Perfecto-Authorization": token}
    if path != DEVICES:
        return HTTP.get(url, headers=headers)
    return HTTP.post(url, headers=headers, json={"device": {}} if body is None else body)


def service(
    lab: Lab, path: str, token: str = TOKENS.admin, method: str = "POST", **parameters: str
) -> httpx.Response:
    url = f"{lab.urls['perfecto']['acme']['services_url']}/services/{path}"
    parameters = {name.replace("__", "."): value for name, value in parameters.items()} | {
        "securityToken": token
    }
    return HTTP.post(url, data=parameters) if method == "POST" else HTTP.get(url, params=parameters)


def by_id(lab: Lab, **body: str) -> dict[str, dict[str, object]]:
    answer = devices(lab, {"device": body})
    assert answer.status_code == 200
    return {handset["deviceId"].upper(): handset for handset in answer.json()["handsets"]["handset"]}


def test_the_json_list_holds_real_devices_only(lab: Lab) -> None:
    listed = by_id(lab)
    assert {SIMULATOR.device_id, DESKTOP.device_id.upper()} & set(listed) == set()
    assert len(listed) == 16


def test_booleans_are_text_and_in_use_is_absent_unless_connected(lab: Lab) -> None:
    listed = by_id(lab)
    busy, idle = listed["F3C05B00"], listed["F3C05B01"]
    assert (busy["inUse"], busy["available"]) == ("true", "false")
    assert (idle["inUse"], idle["available"]) == ("false", "true")
    for name in ("LOST0001", "BROKEN01", "SERVICED"):
        assert not {"inUse", "cradleId", "operabilityRating", "debugLogs"} & set(listed[name])
        assert listed[name]["available"] == "false"
    modes = [listed[name]["mode"] for name in ("F3C05B00", "LOST0001", "BROKEN01", "SERVICED")]
    assert modes == ["CONNECTED", "NOT_CONNECTED", "ERROR", "READY_TO_CONNECT"]


def test_a_reserved_device_says_so_and_to_whom(lab: Lab) -> None:
    listed = by_id(lab)
    assert (listed["F3C05B02"]["reserved"], listed["F3C05B02"]["reservedTo"]) == ("true", "ann@lab.example")
    assert {listed[name]["reserved"] for name in ("F3C05B03", "F3C05B04")} == {"false"}


def test_ids_differ_in_case_from_the_reports_for_some_devices(lab: Lab) -> None:
    listed = {handset["deviceId"] for handset in devices(lab).json()["handsets"]["handset"]}
    assert 0 < len({phone.device_id for phone in PHONES} - listed) < len(PHONES)


def test_a_missing_imei_is_spelt_out_and_systems_are_named_differently(lab: Lab) -> None:
    listed = by_id(lab)
    tablet = listed[TABLET.device_id.upper()]
    assert tablet["nativeImei"] == "NOT-AVAILABLE"
    assert (tablet["os"], listed["F3C05B00"]["os"]) == ("iOS", "Android")
    assert {"osBuild", "cpuArch"} <= set(tablet)
    assert "osBuild" not in listed["F3C05B00"]
    assert "distributer" in tablet
    assert "distributor" not in tablet


def test_a_single_handset_is_an_object_and_not_an_array(lab: Lab) -> None:
    handset = devices(lab, {"device": {"mode": "ERROR"}}).json()["handsets"]["handset"]
    assert handset["deviceId"].upper() == "BROKEN01"


def test_one_device_is_found_in_any_spelling(lab: Lab) -> None:
    answer = devices(lab, path=f"{DEVICES}/f3c05b00")
    assert answer.json()["handset"]["deviceId"].upper() == "F3C05B00"
    missing = devices(lab, path=f"{DEVICES}/nothing")
    assert missing.status_code == 404


@pytest.mark.parametrize(("mode", "status"), [("forbidden", 403), ("unauthorised", 401)])
def test_a_cloud_may_refuse_the_json_list_and_still_offer_the_xml_one(mode: str, status: int) -> None:
    with serving(cloud(), device_json=mode) as lab:
        refused = devices(lab)
        assert refused.status_code == status
        [message] = refused.json()
        assert re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", message["developerMessage"])
        assert service(lab, "handsets", operation="list").status_code == 200


def test_a_bad_token_is_refused_on_the_json_list(lab: Lab) -> None:
    assert devices(lab, token=WRONG_TOKEN).status_code == 401


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_xml_list_is_given_to_a_form_and_to_a_query(lab: Lab, method: str) -> None:
    answer = service(lab, "handsets", method=method, operation="list")
    assert answer.headers["content-type"].startswith("text/xml")
    root = SafeET.fromstring(answer.text)
    assert root.tag == "handsets"
    assert root.get("items") == str(len(root)) == "16"
    assert re.fullmatch(r"2026-03-02:12-00-00 GMT", root.get("time", ""))
    assert root.get("timeStamp") == str(NOON)


def handsets(lab: Lab, **parameters: str) -> dict[str, SafeET]:
    answer = service(lab, "handsets", operation="list", **parameters)
    assert answer.status_code == 200, answer.text
    return {handset.findtext("deviceId").upper(): handset for handset in SafeET.fromstring(answer.text)}


def test_the_operator_is_text_and_elements_mixed(lab: Lab) -> None:
    operator = handsets(lab)["F3C05B00"].find("operator")
    assert operator.text == "AT&T-United States of America"
    assert [child.tag for child in operator] == ["name", "country", "code"]
    assert re.fullmatch(r"310\d{3}", operator.findtext("code"))
    nobody = handsets(lab)[TABLET.device_id.upper()].find("operator")
    assert nobody.text is None
    assert [child.text for child in nobody] == [None, None, None]


def test_elements_come_in_the_documented_order(lab: Lab) -> None:
    documented = [
        "deviceId",
        "manufacturer",
        "model",
        "distributer",
        "description",
        "firmware",
        "imsi",
        "nativeImei",
        "osBuild",
        "cpuArch",
        "wifiMacAddress",
        "link",
        "operator",
        "phoneNumber",
        "location",
        "lastCradleId",
        "language",
        "status",
        "mode",
        "available",
        "reserved",
        "inUse",
        "operabilityRating",
        "cradleId",
        "position",
        "debugLogs",
        "os",
        "osVersion",
        "resolution",
        "dynamicFields",
        "allocatedTo",
        "reservedTo",
    ]
    for handset in handsets(lab).values():
        places = [documented.index(child.tag) for child in handset]
        assert places == sorted(places)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"status": "disconnected"}, {"LOST0001"}),
        ({"status": "unavailable"}, {"BROKEN01", "SERVICED"}),
        ({"inUse": "true"}, {"F3C05B00"}),
        ({"deviceId": "^f3c05b0[01]$"}, {"F3C05B00", "F3C05B01"}),
        ({"os": "iOS"}, {TABLET.device_id.upper()}),
        ({"manufacturer": "Samsung", "status": "disconnected", "operator__name": "AT&T"}, {"LOST0001"}),
        ({"reservedTo": "ann"}, {"F3C05B02"}),
    ],
)
def test_the_xml_list_is_filtered_by_expressions(
    lab: Lab, parameters: dict[str, str], expected: set[str]
) -> None:
    assert set(handsets(lab, **parameters)) == expected


def test_the_connected_status_of_the_filter_is_not_the_word_of_the_element(lab: Lab) -> None:
    assert {handset.findtext("status") for handset in handsets(lab, status="connected").values()} == {
        "Connected"
    }


def test_one_handset_is_its_own_root(lab: Lab) -> None:
    root = SafeET.fromstring(service(lab, "handsets/f3c05b00", operation="info").text)
    assert root.tag == "handset"
    assert root.get("modelVersion")
    assert root.findtext("deviceId").upper() == "F3C05B00"


@pytest.mark.parametrize(
    ("path", "parameters", "status", "text"),
    [
        (
            "handsets",
            {"operation": "destroy"},
            400,
            "Could not find operation 'destroy' for resource 'handsets'",
        ),
        (
            "handsets",
            {"operation": "list", "colour": "red"},
            400,
            "Request contains unknown parameters: [colour]",
        ),
        ("executions", {"operation": "executescript"}, 400, "Could not find operation 'executescript'"),
        ("startexecutions", {"operation": "list"}, 400, "Could not find resource 'startexecutions'"),
        ("executions/nothing", {"operation": "status"}, 400, "Execution nothing wasn't found"),
        ("executions", {"operation": "list"}, 400, "missing parameters"),
    ],
)
def test_errors_say_what_is_wrong(
    lab: Lab, path: str, parameters: dict[str, str], status: int, text: str
) -> None:
    answer = service(lab, path, **parameters)
    assert answer.status_code == status
    if path.startswith("handsets"):
        root = SafeET.fromstring(answer.text)
        assert root.tag == "response"
        assert text in root.findtext("errorMessage")
    else:
        assert text in answer.json()["errorMessage"]


def test_an_error_comes_in_xml_when_xml_is_asked_for(lab: Lab) -> None:
    answer = service(lab, "executions", operation="executescript", responseFormat="XML")
    assert "Could not find operation" in SafeET.fromstring(answer.text).findtext("errorMessage")


def test_a_bad_token_in_a_form_is_401(lab: Lab) -> None:
    for path in ("handsets", "reservations", "executions"):
        assert service(lab, path, token=WRONG_TOKEN, operation="list").status_code == 401


def test_reservations_overlap_the_window_and_count_milliseconds_in_text(lab: Lab) -> None:
    answer = service(
        lab, "reservations", operation="list", admin="true", startTime=str(NOON), endTime=str(NOON + 2 * DAY)
    ).json()
    assert answer["info"]["items"] == "2"
    assert {r["id"]: r["status"] for r in answer["reservations"]} == {
        "87640": "STARTED",
        "87641": "SCHEDULED",
    }
    first = answer["reservations"][0]
    assert first["startTime"] == {"formatted": "2026-03-02T11:00:00Z", "millis": str(NOON - HOUR)}
    assert first["reservedTo"] == "ann@lab.example"
    assert set(first) == {
        "id", "resourceId", "reservedTo", "reservedBy", "startTime", "endTime", "created", "status", "description"
    }  # fmt: skip


def test_a_past_reservation_is_expired_and_one_not_made_yet_is_not_there(lab: Lab) -> None:
    answer = service(
        lab, "reservations", operation="list", startTime="0", endTime=str(NOON + 30 * DAY)
    ).json()
    assert {r["id"]: r["status"] for r in answer["reservations"]}["87642"] == "EXPIRED"
    assert "87643" not in {r["id"] for r in answer["reservations"]}


def test_people_are_named_only_to_an_admin_who_asks_as_one(lab: Lab) -> None:
    named = {
        token: sum(
            "reservedTo" in r
            for r in service(
                lab, "reservations", token=token, operation="list", startTime="0", **more
            ).json()["reservations"]
        )
        for token, more in ((TOKENS.admin, {"admin": "true"}), (TOKENS.member, {}))
    }
    assert named == {TOKENS.admin: 3, TOKENS.member: 1}


def test_reservations_are_picked_by_resource_and_also_come_in_xml(lab: Lab) -> None:
    answer = service(lab, "reservations", operation="list", resourceIds="f3c05b02", responseFormat="xml")
    reservations = SafeET.fromstring(answer.text).find("reservations")
    assert [r.findtext("id") for r in reservations] == ["87640"]
    assert reservations[0].findtext("startTime/millis") == str(NOON - HOUR)


def executions(lab: Lab, token: str = TOKENS.admin, **parameters: str) -> dict[str, dict[str, object]]:
    answer = service(lab, "executions", token=token, operation="list", **parameters)
    assert answer.status_code == 200, answer.text
    return {execution["executionId"]: execution for execution in answer.json().get("executions", [])}


def test_script_executions_of_the_last_seconds_are_listed(lab: Lab) -> None:
    assert set(executions(lab, time__offset="7200")) == {"live", "done"}
    assert set(executions(lab, time__offset="14400")) == {"live", "done", "bad"}
    assert set(executions(lab, time__anchor=str(NOON - 3 * HOUR), time__offset="60")) == {"bad"}
    assert set(executions(lab, time__anchor="-1", time__offset="-60")) == {"live"}


def test_nothing_found_means_no_key_at_all(lab: Lab) -> None:
    answer = service(lab, "executions", operation="list", time__anchor=str(NOON - 9 * DAY), time__offset="60")
    assert answer.json() == {}


def test_an_execution_says_how_it_ended_only_at_its_end(lab: Lab) -> None:
    listed = executions(lab, time__offset="14400")
    assert (listed["live"]["status"], listed["live"]["completed"]) == ("Running", False)
    assert "flowEndCode" not in listed["live"]
    assert (listed["done"]["flowEndCode"], listed["bad"]["flowEndCode"]) == ("Success", "Failed")
    assert set(executions(lab, time__offset="14400", completed="false")) == {"live"}
    assert set(executions(lab, time__offset="14400", flowEndCode="Failed")) == {"bad"}


def test_script_executions_are_ones_own_without_the_admin_right(lab: Lab) -> None:
    assert "bad" not in executions(lab, token=TOKENS.member, time__offset="14400")
    refused = service(
        lab, "executions", token=TOKENS.member, operation="list", time__offset="1", admin="true"
    )
    assert refused.status_code == 401
    assert "is not authorized to get all script executions" in refused.json()["errorMessage"]


def test_one_execution_tells_its_status(lab: Lab) -> None:
    assert service(lab, "executions/live", operation="status").json()["status"] == "Running"
