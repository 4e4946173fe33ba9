"""Reservations and script executions from the older services, as they land."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.defs.sources.perfecto_lab.client import (
    PerfectoLab,
    _json_executions,
    _json_reservations,
    client,
    complaint_of_services,
)
from pipelines.defs.sources.perfecto_lab.contract import RESERVATIONS, SCRIPT_EXECUTIONS
from pipelines.lib.answer import Answer
from pipelines.lib.contract import Table
from pipelines.lib.source_errors import Fault, NotAuthorised, Refused
from simlab.credentials import perfecto_tokens
from simlab.server import Lab
from simlab.world.model import Reservation
from tests.simlab.serving import serving
from tests.simlab.tiny_world import DAY, HOUR, MINUTE, PHONE, TABLET, TinyPerfecto, at, test_run
from tests.sources.lab_and_lake import appended, asked, connection_to, held

NOW = at("2026-03-02 13:00")


def reservation(name: str, started_at: int, ended_at: int) -> Reservation:
    return Reservation(
        name, TABLET.device_id, "ann@lab.example", started_at, ended_at, NOW - 10 * DAY, "demo"
    )


CLOUD = TinyPerfecto(
    [
        test_run(1, NOW - 5 * MINUTE, ended_at=NOW + 5 * MINUTE, external_id="runs"),
        test_run(2, NOW - 23 * HOUR, ended_at=NOW + MINUTE, external_id="runs long"),
        test_run(3, NOW - 30 * MINUTE, external_id="done"),
        test_run(4, NOW - 5 * HOUR, external_id="done long ago"),
    ],
    planned=[
        reservation("1", NOW - HOUR, NOW + HOUR),
        reservation("2", NOW - 30 * HOUR, NOW - 23 * HOUR),
        reservation("3", NOW + 6 * DAY, NOW + 6 * DAY + HOUR),
        reservation("4", NOW - 3 * DAY, NOW - 2 * DAY),
        reservation("5", NOW + 8 * DAY, NOW + 9 * DAY),
    ],
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with serving(CLOUD) as lab:
        yield lab


def test_reservations_around_now_land_with_times_that_were_text(lab: Lab, tmp_path: Path) -> None:
    connection = connection_to(lab, "acme")
    landed = appended(lab, client, connection, RESERVATIONS, lambda source: source.reservations(), tmp_path)

    rows = held(tmp_path, RESERVATIONS)
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert (rows[0]["reserved_to"], rows[0]["status"], rows[0]["description"]) == (
        "ann@lab.example",
        "STARTED",
        "demo",
    )
    assert rows[0]["resource_id"].lower() == TABLET.device_id.lower()
    assert rows[0]["start_time_millis"] == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert rows[0]["end_time_formatted"].startswith("2026-03-02T14:00:00")
    assert landed.complete
    assert landed.note is None
    assert not landed.undeclared


def test_script_executions_are_those_that_run_and_those_that_just_completed(lab: Lab, tmp_path: Path) -> None:
    connection = connection_to(lab, "acme")
    landed = appended(
        lab, client, connection, SCRIPT_EXECUTIONS, lambda source: source.script_executions(300), tmp_path
    )

    rows = held(tmp_path, SCRIPT_EXECUTIONS)
    assert [(row["execution_id"], row["completed"], row["flow_end_code"]) for row in rows] == [
        ("done", True, "Failed"),
        ("runs", False, None),
        ("runs long", False, None),
    ]
    assert rows[0]["devices"][0]["id"].lower() == PHONE.device_id.lower()
    assert landed.complete
    assert not landed.undeclared


def test_rounds_that_are_far_apart_look_back_further(lab: Lab) -> None:
    seen = asked(lab, client, connection_to(lab, "acme"), lambda source: source.script_executions(4 * 3600))

    assert any(b"done long ago" in record for record in seen)


def test_a_user_without_the_right_to_see_all_gets_their_own_and_a_note(lab: Lab, tmp_path: Path) -> None:
    connection = connection_to(lab, "acme", token=perfecto_tokens("acme").member)
    landed = appended(
        lab, client, connection, SCRIPT_EXECUTIONS, lambda source: source.script_executions(300), tmp_path
    )

    assert "their own" in (landed.note or "")
    assert landed.facts["requests"] == 4


def test_services_are_asked_by_form_so_that_no_token_is_in_an_address(lab: Lab) -> None:
    before = len(lab.requests)
    for question in (lambda source: source.reservations(), lambda source: source.script_executions(300)):
        asked(lab, client, connection_to(lab, "acme"), question)

    requests = lab.requests[before:]
    assert len(requests) == 3
    assert {request["method"] for request in requests} == {"POST"}
    assert not any("?" in str(request["path"]) for request in requests)


@pytest.mark.parametrize(
    ("table", "question"),
    [
        (RESERVATIONS, lambda source: source.reservations()),
        (SCRIPT_EXECUTIONS, lambda source: source.script_executions(300)),
    ],
)
def test_without_the_address_nobody_is_asked_and_nothing_is_claimed(
    lab: Lab, tmp_path: Path, table: Table, question: Callable[[PerfectoLab], Answer]
) -> None:
    before = len(lab.requests)
    connection = connection_to(lab, "acme").model_copy(update={"services_url": None})
    landed = appended(lab, client, connection, table, question, tmp_path)

    assert (landed.rows, landed.complete) == (0, False)
    assert landed.note == "services_url is not set: nobody was asked"
    assert len(lab.requests) == before


def test_a_bad_token_is_named_without_being_shown(lab: Lab) -> None:
    connection = connection_to(lab, "acme", token="eyJ-canary")
    with pytest.raises(NotAuthorised, match="check its token") as refusal:
        asked(lab, client, connection, lambda source: source.reservations())

    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"info":{},"reservations":[{"id":"1"}]}',
        b'{"info":{},"reservations":{"reservation":{"id":"1"}}}',
        b'{"info":{},"reservations":{"reservation":[{"id":"1"}]}}',
    ],
)
def test_reservations_are_read_as_clients_see_them_and_as_the_page_shows_them(body: bytes) -> None:
    assert [bytes(record) for record in _json_reservations(body)] == [b'{"id":"1"}']


def test_executions_may_be_absent_where_nothing_matches() -> None:
    assert _json_executions(b"{}") == []
    assert [bytes(record) for record in _json_executions(b'{"executions":[{"executionId":"a"}]}')] == [
        b'{"executionId":"a"}'
    ]


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (200, b'{"executions":[]}', None),
        (200, b'{"errorMessage":"Something went wrong"}', Fault),
        (401, b"<response><errorMessage>Authentication is required and has failed</errorMessage></response>", NotAuthorised),
        (400, b'{"errorMessage":"Failed to get execution list - User u is not authorized to get all script executions"}', NotAuthorised),
        (400, b'{"errorMessage":"The operation requires secured channel"}', Refused),
        (400, b'{"errorMessage":"Request contains unknown parameters: [x]"}', None),
        (500, b'{"errorMessage":"Internal server error"}', None),
        (200, b"<handsets><handset><description>errorMessage</description></handset></handsets>", None),
        (200, b"<handsets><handset><description>&lt;errorMessage></description></handset></handsets>", None),
        (200, b"<response><errorMessage>Something went wrong</errorMessage></response>", Fault),
    ],
)  # fmt: skip
def test_an_error_message_is_told_from_results(
    status: int, body: bytes, meaning: type[Exception] | None
) -> None:
    found = complaint_of_services(status, body)

    assert found is None if meaning is None else isinstance(found, meaning)
