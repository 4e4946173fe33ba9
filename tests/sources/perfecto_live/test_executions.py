"""Running executions of a Perfecto cloud, as they land."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from pipelines.defs.sources.perfecto_live.client import client
from pipelines.defs.sources.perfecto_live.contract import EXECUTIONS
from pipelines.lib.source_errors import Fault, NotAuthorised
from pipelines.lib.user_messages import complaint
from simlab.credentials import perfecto_tokens
from simlab.server import Lab
from tests.simlab.serving import serving
from tests.simlab.tiny_world import DESKTOP, HOUR, MINUTE, PHONE, TinyPerfecto, at, test_run
from tests.sources.lab_and_lake import appended, asked, connection_to, everything_written, held

NOW = at("2026-03-02 13:00")
RUNS = [
    test_run(1, NOW - 5 * MINUTE, ended_at=NOW + 5 * MINUTE, external_id="both", devices=(PHONE, DESKTOP)),
    test_run(2, NOW - 2 * MINUTE, ended_at=NOW + MINUTE, external_id="bobs", owner="bob@lab.example"),
    test_run(3, NOW - HOUR, external_id="over"),
    test_run(4, NOW - 3 * HOUR, ended_at=None, visible_at=NOW, external_id="crashed"),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with serving(TinyPerfecto(RUNS)) as lab:
        yield lab


def test_what_runs_now_lands_with_its_devices(lab: Lab, tmp_path: Path) -> None:
    landed = appended(
        lab, client, connection_to(lab, "acme"), EXECUTIONS, lambda source: source.executions(), tmp_path
    )

    bobs, both = held(tmp_path, EXECUTIONS)
    assert (bobs["id"], bobs["owner"]) == ("bobs", "bob@lab.example")
    assert (both["id"], both["name"]) == ("both", "checkout pays")
    assert both["start_time"] == datetime(2026, 3, 2, 12, 55, tzinfo=UTC)
    assert both["start_time_number"] is None
    assert both["_interval_seconds"] == 300
    assert both["dt"] == "2026-03-02"
    phone, desktop = both["platforms"]
    assert (phone["id"], phone["os"], phone["mobile_info_model"]) == ("F3C05B44", "Android", "Galaxy S8+")
    assert phone["mobile_info_operator_info_name"] == "AT&T"
    assert (desktop["browser_info_browser_type"], desktop["mobile_info_model"]) == ("INTERNET_EXPLORER", None)
    assert landed.complete
    assert not landed.undeclared


def test_identities_of_devices_do_not_land(lab: Lab, tmp_path: Path) -> None:
    appended(
        lab, client, connection_to(lab, "acme"), EXECUTIONS, lambda source: source.executions(), tmp_path
    )

    written = everything_written(tmp_path)
    assert "Team Checkout, floor 2" in written
    for secret in (PHONE.imei, PHONE.imsi, PHONE.phone_number):
        assert secret not in written


def test_nothing_running_is_an_observation_without_rows(tmp_path: Path) -> None:
    with serving(TinyPerfecto()) as lab:
        landed = appended(
            lab, client, connection_to(lab, "acme"), EXECUTIONS, lambda source: source.executions(), tmp_path
        )

    assert (landed.rows, landed.complete) == (0, True)
    assert held(tmp_path, EXECUTIONS) == []


def test_the_search_is_the_only_address_that_is_ever_asked(lab: Lab) -> None:
    before = len(lab.requests)
    asked(lab, client, connection_to(lab, "acme"), lambda source: source.executions())

    assert [(request["method"], request["path"]) for request in lab.requests[before:]] == [
        ("POST", "/perfecto/acme/executions/execution-manager/api/v1/executions/search")
    ]


def test_a_user_without_the_role_sees_only_their_own(lab: Lab) -> None:
    member = connection_to(lab, "acme", token=perfecto_tokens("acme").member)
    seen = asked(lab, client, member, lambda source: source.executions())

    assert len(seen) < 2


def test_a_token_the_cloud_does_not_know_is_refused_at_once(lab: Lab) -> None:
    before = len(lab.requests)
    connection = connection_to(lab, "acme", token="eyJ-canary")
    with pytest.raises(
        NotAuthorised, match=r"^perfecto\.acme \(http://127\.0\.0\.1:\d+\): .*; check its token"
    ) as refusal:
        asked(lab, client, connection, lambda source: source.executions())

    assert "canary" not in str(refusal.value)
    assert len(lab.requests) == before + 1


def test_without_the_address_nobody_is_asked_and_nothing_is_claimed(lab: Lab, tmp_path: Path) -> None:
    before = len(lab.requests)
    connection = connection_to(lab, "acme").model_copy(update={"executions_url": None})
    landed = appended(lab, client, connection, EXECUTIONS, lambda source: source.executions(), tmp_path)

    assert (landed.rows, landed.complete) == (0, False)
    assert landed.note == "executions_url is not set: nobody was asked"
    assert len(lab.requests) == before


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (200, b"[]", None),
        (200, b'[{"id":"a"}]', None),
        (200, b'[{"userMessage":"Try again later"}]', Fault),
        (200, b'[{"userMessage":"Failed decoding the offline token: x"}]', NotAuthorised),
        (401, b'[{"userMessage":"Unable to authenticate bearer token"}]', NotAuthorised),
        (500, b'[{"userMessage":"Failed decoding the offline token: x"}]', NotAuthorised),
        (400, b'[{"userMessage":"The request body is not valid"}]', None),
        (502, b"<html>bad gateway</html>", None),
    ],
)
def test_an_error_in_place_of_results_is_told_from_results(
    status: int, body: bytes, meaning: type[Exception] | None
) -> None:
    found = complaint(status, body)

    assert found is None if meaning is None else isinstance(found, meaning)


def test_the_vendors_own_example_lands_without_rejects_or_drift() -> None:
    example = Path("tests/examples/perfecto_live/executions.json").read_bytes()
    for record in msgspec.json.decode(example, type=list[msgspec.Raw]):
        cut = EXECUTIONS.redaction.records([record])[0]
        assert cut is not None
        EXECUTIONS.strict_decoder.decode(cut)
