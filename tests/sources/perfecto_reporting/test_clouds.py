"""The reporting export as a cloud answers it: paging, windows, commands, and what lands of each."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.defs.sources.perfecto_reporting.client import Test, client
from pipelines.defs.sources.perfecto_reporting.contract import COMMANDS, PLATFORMS, TEST_EXECUTIONS
from pipelines.defs.sources.perfecto_reporting.due import commands_due
from pipelines.lib import http
from pipelines.lib.lake_files import Partition, locked
from pipelines.lib.landing import PartlyLanded
from pipelines.lib.source_errors import NotAuthorised, NotFound, SourceUnavailable
from simlab.server import Lab
from simlab.world.model import Edit
from tests.simlab.serving import serving
from tests.simlab.tiny_world import DESKTOP, HOUR, MINUTE, NOON, PHONE, TABLET, TinyPerfecto, at, test_run
from tests.sources.lab_and_lake import (
    asked,
    clock_of,
    connection_to,
    everything_written,
    failing,
    held,
    merged,
)

THE_DAY = date(2026, 3, 2)
MIDNIGHT = at("2026-03-02")


def the_day(source: Any) -> Any:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    return source.test_executions(start, start + timedelta(days=1))


def landed(lab: Lab, lake: Path, **changes: object) -> Any:
    return merged(lab, client, connection_to(lab, "acme", **changes), TEST_EXECUTIONS, THE_DAY, the_day, lake)


def commands_landed(lab: Lab, lake: Path, **changes: object) -> tuple[list[Test], Any]:
    connection = connection_to(lab, "acme", **changes)
    due = commands_due(lake, connection, THE_DAY)
    outcome = merged(lab, client, connection, COMMANDS, THE_DAY, lambda source: source.commands(due), lake)
    return due, outcome


@pytest.fixture(scope="module")
def busy_lab() -> Iterator[Lab]:
    """1,201 tests of the day, and one just outside either end of it."""
    runs = [test_run(n, MIDNIGHT + n * 1000, devices=(PHONE, TABLET)) for n in range(1201)]
    runs += [test_run(5001, MIDNIGHT - 1), test_run(5002, MIDNIGHT + 24 * HOUR)]
    with serving(TinyPerfecto(runs), clock="2026-03-03T13:00:00Zx0") as lab:
        yield lab


def test_all_pages_of_a_day_come_and_nothing_of_its_neighbours(busy_lab: Lab, tmp_path: Path) -> None:
    outcome = landed(busy_lab, tmp_path)
    assert (outcome.rows, outcome.complete, outcome.facts["pages"]) == (1201, True, 3)
    assert {row["dt"] for row in held(tmp_path, TEST_EXECUTIONS)} == {"2026-03-02"}
    assert len(held(tmp_path, PLATFORMS)) == 2402
    assert outcome.facts["processing_status"] == "PROCESSING_COMPLETE"


def test_a_full_last_page_that_says_there_is_more_ends_with_the_empty_one(tmp_path: Path) -> None:
    runs = [test_run(n, MIDNIGHT + n * 1000) for n in range(500)]
    with serving(TinyPerfecto(runs), clock="2026-03-03T13:00:00Zx0") as lab:
        outcome = landed(lab, tmp_path)
    assert (outcome.rows, outcome.complete) == (500, True)
    assert outcome.facts["requests"] == 3  # the empty page is asked for twice, so that a stumble is no end


def test_a_test_that_is_listed_on_two_pages_is_one_row(tmp_path: Path) -> None:
    repeated = {"oddity": "repeated_on_next_page"}
    runs = [test_run(n, MIDNIGHT + n * 1000, **(repeated if n % 50 == 0 else {})) for n in range(600)]
    with serving(TinyPerfecto(runs), clock="2026-03-03T13:00:00Zx0") as lab:
        outcome = landed(lab, tmp_path)
    assert outcome.rows == 600
    assert outcome.duplicates > 0


def test_a_day_past_the_retention_keeps_its_rows(tmp_path: Path) -> None:
    cloud = TinyPerfecto([test_run(1, NOON)])
    with serving(cloud, clock="2026-03-02T13:00:00Zx0") as lab:
        landed(lab, tmp_path)
    with serving(cloud, clock="2026-09-02T13:00:00Zx0") as lab:
        outcome = landed(lab, tmp_path)
    assert (outcome.rows, outcome.complete, outcome.is_rewritten) == (1, False, False)
    assert "retention" in outcome.note
    assert held(tmp_path, TEST_EXECUTIONS)[0]["_missing_since"] is None


def test_a_late_test_and_a_changed_reason_are_merged_into_their_day(tmp_path: Path) -> None:
    known = test_run(1, NOON, edits=(Edit(NOON + 5 * HOUR, "App crashed"),))
    late = test_run(2, NOON, visible_at=NOON + 4 * HOUR)
    cloud = TinyPerfecto([known, late])
    with serving(cloud, clock="2026-03-02T13:00:00Zx0") as lab:
        assert landed(lab, tmp_path).rows == 1
    with serving(cloud, clock="2026-03-02T18:00:00Zx0") as lab:
        outcome = landed(lab, tmp_path)
    assert (outcome.rows, outcome.added, outcome.changed) == (2, 1, 1)
    assert [row["failure_reason_name"] for row in held(tmp_path, TEST_EXECUTIONS)] == [
        "App crashed",
        "Element not found",
    ]


def test_commands_are_asked_for_once_and_again_only_where_the_test_changed(tmp_path: Path) -> None:
    running = test_run(1, NOON + 59 * MINUTE, ended_at=NOON + 70 * MINUTE)
    cloud = TinyPerfecto([running, test_run(2, NOON), test_run(3, NOON, status="PASSED")])
    with serving(cloud, clock="2026-03-02T13:00:00Zx0") as lab:
        landed(lab, tmp_path)
        due, _ = commands_landed(lab, tmp_path)
        assert len(due) == 3
        assert commands_landed(lab, tmp_path)[0] == []
    with serving(cloud, clock="2026-03-02T14:00:00Zx0") as lab:
        landed(lab, tmp_path)
        due, outcome = commands_landed(lab, tmp_path)
    assert [test.id for test in due] == [running.id]
    assert outcome.facts["requests"] == 1


def test_a_test_whose_commands_cannot_be_told_keeps_no_other_test_from_landing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [test_run(n, NOON + n * MINUTE) for n in range(20)]
    with serving(TinyPerfecto(runs)) as lab:
        landed(lab, tmp_path)
        failing(monkeypatch, runs[-1].id)
        with pytest.raises(PartlyLanded, match=r"HTTP 500, 3 times; .* \(1 of 20 questions; "):
            commands_landed(lab, tmp_path, max_in_flight=1)
        due = commands_due(tmp_path, connection_to(lab, "acme"), THE_DAY)
    assert [test.id for test in due] == [runs[-1].id]


STEP = b'{"name": "Test step", "commands": [{"name": "open"}]}'


@pytest.mark.parametrize(
    ("body", "clock", "is_due"),
    [
        (b'{"resources": []}', "2026-03-02T12:02:00Zx0", True),
        (b'{"resources": []}', "2026-03-02T12:30:00Zx0", False),
        (b'{"resources": [%b]}' % STEP, "2026-03-02T12:02:00Zx0", False),
        (
            b'{"resources": [%b], "metadata": {"processingStatus": "PROCESSING"}}' % STEP,
            "2026-03-02T12:30:00Zx0",
            True,
        ),
    ],
    ids=["none after a minute", "none for good", "some", "still processing"],
)
def test_commands_that_the_cloud_still_prepares_are_asked_for_again(
    tmp_path: Path, body: bytes, clock: str, is_due: bool
) -> None:
    run = test_run(1, NOON, ended_at=NOON + MINUTE)
    with serving(TinyPerfecto([run]), clock=clock) as lab:
        landed(lab, tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            failing(patch, "/commands", 200, body)
            commands_landed(lab, tmp_path)
        first = [row["name"] for row in held(tmp_path, COMMANDS)]
        assert first == (["open"] if STEP in body else [None])
        assert [test.id for test in commands_due(tmp_path, connection_to(lab, "acme"), THE_DAY)] == [
            run.id
        ] * is_due
    with serving(TinyPerfecto([run]), clock="2026-03-02T13:00:00Zx0") as lab:
        assert len(commands_landed(lab, tmp_path)[0]) == is_due
        assert commands_landed(lab, tmp_path)[0] == []
    assert (len(held(tmp_path, COMMANDS)) > 60) is is_due


def test_what_is_due_is_not_looked_up_while_another_ingest_merges(tmp_path: Path) -> None:
    with serving(TinyPerfecto([test_run(1, NOON)])) as lab:
        landed(lab, tmp_path)
        connection = connection_to(lab, "acme")
        commands = Partition(tmp_path, COMMANDS.source, COMMANDS.name, "acme", THE_DAY)
        with ThreadPoolExecutor(1) as elsewhere:
            with locked(commands.folder):
                due = elsewhere.submit(commands_due, tmp_path, connection, THE_DAY)
                assert wait([due], timeout=0.5).not_done == {due}
            assert [test.id for test in due.result()] == [test_run(1, NOON).id]


def test_commands_of_failed_tests_only_or_of_none(tmp_path: Path) -> None:
    cloud = TinyPerfecto(
        [test_run(n, NOON, status=s) for n, s in enumerate(("FAILED", "BLOCKED", "PASSED", "UNKNOWN"))]
    )
    with serving(cloud) as lab:
        landed(lab, tmp_path)
        connection = connection_to(lab, "acme", commands="failed")
        assert {test.id[-1] for test in commands_due(tmp_path, connection, THE_DAY)} == {"0", "1"}
        assert commands_due(tmp_path, connection_to(lab, "acme", commands="none"), THE_DAY) == []


def test_a_step_without_commands_is_a_row_and_sensitive_values_are_as_the_vendor_hides_them(
    tmp_path: Path,
) -> None:
    with serving(TinyPerfecto([test_run(1, NOON)])) as lab:
        landed(lab, tmp_path)
        commands_landed(lab, tmp_path)
    rows = held(tmp_path, COMMANDS)
    assert len(rows) == 1 + 62 + 1
    (step,) = [row for row in rows if row["command_index"] is None]
    assert (step["step_index"], step["step_name"], step["name"]) == (2, "Clean up", None)
    assert step["step_end_time"] - step["step_start_time"] == timedelta(seconds=3)
    typed = next(row for row in rows if row["name"] == "type")
    assert typed["parameters"][0] == {"name": "text", "value": "***", "attributes": "SENSITIVE"}
    first = rows[0]
    assert (first["step_name"], first["step_start_time"], first["_issues"]) == (None, None, [])


def test_a_test_that_is_gone_is_noted_and_not_asked_for_again_once_it_is_old(tmp_path: Path) -> None:
    run = test_run(1, NOON)
    with serving(TinyPerfecto([run]), clock="2026-03-02T13:00:00Zx0") as lab:
        landed(lab, tmp_path)
    for clock, still_due in (("2026-03-02T14:00:00Zx0", 1), ("2026-03-05T14:00:00Zx0", 0)):
        with serving(TinyPerfecto([]), clock=clock) as lab:
            due, outcome = commands_landed(lab, tmp_path)
            assert len(due) == 1
            assert outcome.flagged == {"not_available": 1}
            assert len(commands_due(tmp_path, connection_to(lab, "acme"), THE_DAY)) == still_due


def test_device_identities_and_signatures_never_reach_the_disk(tmp_path: Path) -> None:
    canaries = ("4711000000000001", "4711000000000002", "+1-4711-0100", "47:11:00:00:00:01")
    phone = replace(
        PHONE, imei=canaries[0], imsi=canaries[1], phone_number=canaries[2], wifi_mac_address=canaries[3]
    )
    with serving(TinyPerfecto([test_run(n, NOON, devices=(phone,)) for n in range(3)])) as lab:
        sent = b"".join(asked(lab, client, connection_to(lab, "acme"), the_day)).decode()
        landed(lab, tmp_path)
        commands_landed(lab, tmp_path)
        token = connection_to(lab, "acme").token.get_secret_value()
    assert canaries[0] in sent
    assert "signature" in sent
    written = everything_written(tmp_path)
    assert "fileName" in written
    for secret in (*canaries, "signature", token):
        assert secret not in written


def test_a_desktop_lands_with_its_browser_and_a_phone_with_its_make(tmp_path: Path) -> None:
    with serving(TinyPerfecto([test_run(1, NOON, devices=(PHONE, DESKTOP))])) as lab:
        landed(lab, tmp_path)
    phone, desktop = held(tmp_path, PLATFORMS)
    assert (phone["mobile_info_model"], phone["alias"], phone["browser_info_browser_type"]) == (
        "Galaxy S8+",
        "device1",
        None,
    )
    assert (desktop["browser_info_browser_type"], desktop["browser_info_browser_version"]) == (
        "INTERNET_EXPLORER",
        "latest (11)",
    )


def test_a_refused_token_is_named_and_is_not_in_the_message(tmp_path: Path) -> None:
    with serving(TinyPerfecto([test_run(1, NOON)])) as lab, pytest.raises(NotAuthorised) as caught:
        landed(lab, tmp_path, token="canary-4711")
    line = str(caught.value)
    assert line.startswith("perfecto.acme (http://127.0.0.1:")
    assert "check its token" in line
    assert "canary-4711" not in line


def test_a_wrong_path_is_named(tmp_path: Path) -> None:
    with (
        serving(TinyPerfecto([])) as lab,
        pytest.raises(NotFound, match=r"perfecto\.acme .*HTTP 404; check the url"),
    ):
        landed(lab, tmp_path, app_url=f"http://127.0.0.1:{lab.port}/nothing/here")


def test_a_dead_cloud_is_named_and_what_is_held_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(http, "_JITTER", 0.01)
    with serving(TinyPerfecto([test_run(1, NOON)])) as lab:
        landed(lab, tmp_path)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceUnavailable, match="nothing answers there"):
            landed(lab, tmp_path, app_url=nowhere)
    assert len(held(tmp_path, TEST_EXECUTIONS)) == 1


def test_ids_cannot_leave_their_place_in_the_path() -> None:
    with serving(TinyPerfecto([])) as lab:

        async def ask() -> list[bool]:
            async with client(connection_to(lab, "acme"), clock_of(lab)) as source:
                tests = [Test(name, "") for name in ("../../x", "a b?c=d#e", "%2e%2e/y")]
                answer = source.commands(tests)
                return [page.is_unavailable async for page in answer.pages(answer)]

        assert asyncio.run(ask()) == [True, True, True]
        paths = [str(request["path"]) for request in lab.requests]
    assert len(paths) == 3
    assert all("/export/api/v3/test-executions/" in path for path in paths)


def test_nothing_but_questions_is_ever_sent(tmp_path: Path) -> None:
    with serving(TinyPerfecto([test_run(1, NOON)])) as lab:
        landed(lab, tmp_path)
        commands_landed(lab, tmp_path)
        assert {request["method"] for request in lab.requests} == {"GET"}
