"""Devices of a Perfecto cloud in both dialects: the same rows, and no identity or secret in either."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.defs.sources.perfecto_lab.client import _json_devices, client
from pipelines.defs.sources.perfecto_lab.contract import DEVICES
from pipelines.defs.sources.perfecto_lab.handsets_xml import records
from pipelines.lib import landing
from pipelines.lib.answer import Answer, Page
from pipelines.lib.source_errors import Fault, NotAuthorised
from simlab.credentials import perfecto_tokens
from simlab.server import Lab
from simlab.world.model import Reservation
from tests.simlab.serving import serving
from tests.simlab.tiny_world import HOUR, MINUTE, PHONE, TABLET, TinyPerfecto, at, test_run
from tests.sources.lab_and_lake import Row, appended, asked, connection_to, everything_written, held

FETCHED_AT = datetime(2026, 3, 2, 13, tzinfo=UTC)
NOW = at("2026-03-02 13:00")
EXAMPLE = Path("tests/examples/perfecto_lab/handsets.xml")
CLOUD = TinyPerfecto(
    [test_run(1, NOW - 5 * MINUTE, ended_at=NOW + 5 * MINUTE)],
    states={TABLET.device_id: "NOT_CONNECTED"},
    planned=[
        Reservation(
            "87640", TABLET.device_id, "ann@lab.example", NOW - HOUR, NOW + HOUR, NOW - 2 * HOUR, "demo"
        )
    ],
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with serving(CLOUD) as lab:
        yield lab


@pytest.fixture(scope="module", params=["forbidden", "unauthorised"])
def refusing_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with serving(CLOUD, device_json=request.param) as lab:
        yield lab


def landed_devices(lab: Lab, lake: Path) -> list[Row]:
    landed = appended(lab, client, connection_to(lab, "acme"), DEVICES, lambda source: source.devices(), lake)
    assert landed.complete
    assert not landed.undeclared
    assert landed.rejected == 0
    return held(lake, DEVICES)


def test_a_device_lands_with_booleans_that_were_words(lab: Lab, tmp_path: Path) -> None:
    rows = {row["device_id"].lower(): row for row in landed_devices(lab, tmp_path)}

    phone = rows[PHONE.device_id.lower()]
    assert (phone["status"], phone["available"], phone["in_use"], phone["reserved"]) == (
        "Connected",
        False,
        True,
        False,
    )
    assert (phone["manufacturer"], phone["model"], phone["os"]) == ("Samsung", "Galaxy S8+", "Android")
    assert (phone["operability_rating_score"], phone["debug_logs_collecting"]) == (100, False)
    assert phone["operator_name"] == "AT&T"
    assert phone["allocated_to"] == "ann@lab.example"
    assert phone["_issues"] == []


def test_a_device_that_is_not_connected_does_not_tell_whether_it_is_in_use(lab: Lab, tmp_path: Path) -> None:
    rows = {row["device_id"].lower(): row for row in landed_devices(lab, tmp_path)}

    tablet = rows[TABLET.device_id.lower()]
    assert (tablet["mode"], tablet["in_use"], tablet["cradle_id"]) == ("NOT_CONNECTED", None, None)
    assert (tablet["reserved"], tablet["reserved_to"]) == (True, "ann@lab.example")


def test_a_cloud_that_refuses_json_gives_the_same_rows_by_xml(
    lab: Lab, refusing_lab: Lab, tmp_path: Path
) -> None:
    by_json = landed_devices(lab, tmp_path / "json")
    by_xml = landed_devices(refusing_lab, tmp_path / "xml")

    only_in_xml = {"operator_content"}
    differs = only_in_xml | {"_raw", "_fetched_at"}
    assert [{k: v for k, v in row.items() if k not in differs} for row in by_xml] == [
        {k: v for k, v in row.items() if k not in differs} for row in by_json
    ]
    phone = next(row for row in by_xml if row["device_id"].lower() == PHONE.device_id.lower())
    assert phone["operator_content"] == "AT&T-United States of America"


def test_identities_of_devices_land_in_neither_dialect(lab: Lab, refusing_lab: Lab, tmp_path: Path) -> None:
    for each in (lab, refusing_lab):
        landed_devices(each, tmp_path)

    written = everything_written(tmp_path)
    assert "Galaxy S8+" in written
    for secret in (PHONE.imei, PHONE.imsi, PHONE.phone_number, PHONE.wifi_mac_address):
        assert secret not in written


def test_the_token_is_in_no_address(refusing_lab: Lab) -> None:
    before = len(refusing_lab.requests)
    asked(refusing_lab, client, connection_to(refusing_lab, "acme"), lambda source: source.devices())

    requests = refusing_lab.requests[before:]
    assert [(request["method"], str(request["path"]).partition("acme/")[2]) for request in requests] == [
        ("POST", "app/api/v1/device-management/devices"),
        ("POST", "services-host/services/handsets"),
    ]


def test_requests_of_both_services_are_counted(refusing_lab: Lab, tmp_path: Path) -> None:
    connection = connection_to(refusing_lab, "acme")
    landed = appended(refusing_lab, client, connection, DEVICES, lambda source: source.devices(), tmp_path)

    assert (landed.facts["requests"], landed.facts["retries"], landed.facts["dialect"]) == (2, 0, "xml")


def test_a_refusal_is_final_where_the_older_service_is_not_configured(refusing_lab: Lab) -> None:
    connection = connection_to(refusing_lab, "acme").model_copy(update={"services_url": None})
    with pytest.raises(NotAuthorised, match=r"^perfecto\.acme"):
        asked(refusing_lab, client, connection, lambda source: source.devices())


def test_a_bad_token_is_refused_by_both(lab: Lab) -> None:
    connection = connection_to(lab, "acme", token="eyJ-canary")
    with pytest.raises(NotAuthorised, match="token") as refusal:
        asked(lab, client, connection, lambda source: source.devices())

    assert "canary" not in str(refusal.value)


def test_a_member_sees_the_devices_but_not_who_holds_them(lab: Lab, tmp_path: Path) -> None:
    connection = connection_to(lab, "acme", token=perfecto_tokens("acme").member)
    appended(lab, client, connection, DEVICES, lambda source: source.devices(), tmp_path)

    assert len(held(tmp_path, DEVICES)) == 2


def test_the_recorded_form_of_the_xml_is_read(tmp_path: Path) -> None:
    phone, tablet = (
        DEVICES.strict_decoder.decode(cut)
        for cut in DEVICES.redaction.records(records(EXAMPLE.read_bytes()))
        if cut is not None
    )

    assert (phone.operator.content, phone.operator.code) == ("AT&T-United States of America", "310016")
    assert bytes(phone.dynamic_fields) == b'{"property":{"name":"Device Roles","content":"Automation"}}'
    assert (tablet.operator.content, tablet.operator.name, tablet.position) == (None, "", None)


def test_repeated_elements_become_a_list() -> None:
    body = b"<handsets><handset><deviceId>a</deviceId><p>1</p><p>2</p><p>3</p></handset></handsets>"

    assert records(body) == [b'{"deviceId":"a","p":["1","2","3"]}']


def test_a_word_that_is_neither_true_nor_false_is_flagged_and_the_device_stays(tmp_path: Path) -> None:
    devices = [
        b'{"deviceId":"a","available":"TRUE","reserved":true,"inUse":""}',
        b'{"deviceId":"b","available":"perhaps","reserved":null,"colour":"red"}',
        b'{"deviceId":7}',
    ]

    async def pages(_answer: Answer) -> AsyncGenerator[Page]:
        yield Page(devices, FETCHED_AT)

    landed = asyncio.run(landing.append(tmp_path, DEVICES, "acme", Answer(pages, FETCHED_AT), 300))["devices"]

    good, odd = held(tmp_path, DEVICES)
    assert (good["available"], good["reserved"], good["in_use"], good["_issues"]) == (True, True, None, [])
    assert (odd["available"], odd["reserved"], odd["_issues"]) == (None, None, ["available_not_boolean"])
    assert (landed.rejected, dict(landed.undeclared)) == (1, {"colour": 1})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>login</body></html>",
        b"<handsets><handset>",
        b'{"handsets":{}}',
        b'<!DOCTYPE h [<!ENTITY x "boom">]><handsets><handset><deviceId>&x;</deviceId></handset></handsets>',
        b'<!DOCTYPE h SYSTEM "file:///etc/passwd"><handsets></handsets>',
    ],
)
def test_what_is_not_the_documented_xml_may_be_tried_again(body: bytes) -> None:
    with pytest.raises(Fault):
        records(body)


@pytest.mark.parametrize(
    ("body", "devices"),
    [
        (b'{"handsets":{"items":"1","handset":{"deviceId":"a"}}}', [b'{"deviceId":"a"}']),
        (b'{"handsets":{"items":"1","handset":[{"deviceId":"a"}]}}', [b'{"deviceId":"a"}']),
        (b'{"handsets":{"items":"0","handset":[]}}', []),
        (b'{"handsets":{"items":"0"}}', []),
        (b'{"handsets":{"items":"0","handset":""}}', []),
        (b'{"handsets":{"items":"0","handset":null}}', []),
    ],
)
def test_one_device_alone_may_be_an_object_and_none_may_be_nothing(body: bytes, devices: list[bytes]) -> None:
    assert [bytes(device) for device in _json_devices(body)] == devices
