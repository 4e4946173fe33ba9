"""HCL executions: which day each belongs to, what is asked for, logs once each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.defs.sources.hcl_test_server.client import FailedExecution, client
from pipelines.defs.sources.hcl_test_server.contract import EXECUTION_LOGS, EXECUTIONS, LIVE_EXECUTIONS
from pipelines.defs.sources.hcl_test_server.due import logs_due
from pipelines.lib.source_errors import NotFound
from simlab.server import Lab
from simlab.world.model import ServerExecution
from tests.simlab.serving import serving
from tests.simlab.tiny_world import DAY, HOUR, MINUTE, NOON, SECOND, TinyHcl, at
from tests.sources.lab_and_lake import appended, asked, connection_to, held, merged

THE_DAY = date(2026, 3, 2)
MIDNIGHT = at("2026-03-02")


def execution(name: str, scheduled_at: int, status: str = "COMPLETE", **changes: object) -> ServerExecution:
    """Planned then, started a minute later, completed ten minutes after that."""
    values: dict[str, object] = {
        "id": name,
        "project_id": "1050",
        "result_id": "2451",
        "status": status,
        "scheduled_at": scheduled_at,
        "started_at": scheduled_at + MINUTE,
        "completed_at": scheduled_at + 11 * MINUTE,
        "message": None,
        "environment": "test",
        "asset_id": "asset-1",
        "asset_path": "Shop/Tests/Basic.testsuite",
        "asset_type": "APISUITE",
        "tags": (),
        "log": f"{name} failed\n\tat Driver.java:12\n",
    }
    return ServerExecution(**(values | changes))  # type: ignore[arg-type]


EXECUTIONS_OF_THE_LAB = [
    execution("ended the day before", MIDNIGHT - HOUR),
    execution("over midnight", MIDNIGHT - 5 * MINUTE, "COMPLETE_WITH_ERROR", message="2 tests failed"),
    execution("at midnight", MIDNIGHT - 11 * MINUTE),
    execution("a moment before midnight", MIDNIGHT - 11 * MINUTE - 1),
    execution("at noon", NOON, "STOPPED_AUTOMATICALLY"),
    execution("never completed", NOON - 6 * HOUR, "INCOMPLETE", completed_at=None, log=None),
    execution("never completed before", NOON - DAY, "INCOMPLETE", completed_at=None),
    execution("never started", NOON - HOUR, "LAUNCH_FAILED", started_at=None, completed_at=None),
    execution("never started before", NOON - DAY, "LAUNCH_FAILED", started_at=None, completed_at=None),
    execution("running", at("2026-03-02 12:55")),
    execution("starting", at("2026-03-02 13:00") - 30 * SECOND),
    execution("planned", at("2026-03-02 15:00")),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with serving(hcl=TinyHcl(EXECUTIONS_OF_THE_LAB)) as lab:
        yield lab


def the_day(source: object, day: date = THE_DAY) -> object:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return source.executions(start, start + timedelta(days=1))  # type: ignore[attr-defined]


def test_a_day_has_what_completed_in_it_and_what_ended_in_it_without_saying_when(
    lab: Lab, tmp_path: Path
) -> None:
    landed = merged(lab, client, connection_to(lab, "ots"), EXECUTIONS, THE_DAY, the_day, tmp_path)

    rows = held(tmp_path, EXECUTIONS)
    assert [row["id"] for row in rows] == [
        "at midnight", "at noon", "never completed", "never started", "over midnight",
    ]  # fmt: skip
    assert {row["dt"] for row in rows} == {"2026-03-02"}
    assert landed.complete
    assert (landed.facts["requests"], landed.facts["retries"]) == (3, 0)


def test_every_ended_execution_is_in_exactly_one_day(lab: Lab, tmp_path: Path) -> None:
    connection = connection_to(lab, "ots")
    for days in range(3):
        day = date(2026, 3, 1) + timedelta(days=days)
        merged(
            lab, client, connection, EXECUTIONS, day, lambda source, day=day: the_day(source, day), tmp_path
        )

    landed = [(row["id"], row["dt"]) for row in held(tmp_path, EXECUTIONS)]
    ended = {execution.id for execution in EXECUTIONS_OF_THE_LAB} - {"running", "starting", "planned"}
    assert sorted(name for name, _ in landed) == sorted(ended)
    assert ("a moment before midnight", "2026-03-01") in landed
    assert ("never started before", "2026-03-01") in landed


def test_an_execution_keeps_what_the_vendor_said_and_gets_the_project_that_was_asked(
    lab: Lab, tmp_path: Path
) -> None:
    merged(lab, client, connection_to(lab, "ots"), EXECUTIONS, THE_DAY, the_day, tmp_path)

    row = next(row for row in held(tmp_path, EXECUTIONS) if row["id"] == "over midnight")
    assert row["_project_id"] == "1050"
    assert row["result_id"] == "2451"
    assert row["status"] == "COMPLETE_WITH_ERROR"
    assert row["message"] == "2 tests failed"
    assert row["start_date"] == datetime(2026, 3, 1, 23, 56, tzinfo=UTC)
    assert row["completion_date"] == datetime(2026, 3, 2, 0, 6, tzinfo=UTC)
    assert '"completionDate":"2026-03-02T00:06:00' in row["_raw"]


def test_a_day_that_is_read_again_is_left_as_it_is(lab: Lab, tmp_path: Path) -> None:
    connection = connection_to(lab, "ots")
    merged(lab, client, connection, EXECUTIONS, THE_DAY, the_day, tmp_path)
    again = merged(lab, client, connection, EXECUTIONS, THE_DAY, the_day, tmp_path)

    assert (again.added, again.changed, again.missing, again.is_rewritten) == (0, 0, 0, False)


def test_a_project_that_is_gone_takes_nothing_away_and_is_named(lab: Lab, tmp_path: Path) -> None:
    merged(lab, client, connection_to(lab, "ots"), EXECUTIONS, THE_DAY, the_day, tmp_path)
    other = connection_to(lab, "ots", projects=["1050", "1099"])
    landed = merged(lab, client, other, EXECUTIONS, THE_DAY, the_day, tmp_path)

    assert landed.rows == 5
    assert landed.missing == 0
    assert not landed.complete
    assert "1099" in (landed.note or "")


def test_only_unknown_projects_fail(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"hcl\.ots \(http://127\.0\.0\.1:\d+\): HTTP 404; check the url"):
        merged(
            lab, client, connection_to(lab, "ots", projects=["1099"]), EXECUTIONS, THE_DAY, the_day, tmp_path
        )


def test_an_execution_that_is_no_longer_listed_is_kept_as_missing(tmp_path: Path) -> None:
    for executions, minute in ((EXECUTIONS_OF_THE_LAB, 0), (EXECUTIONS_OF_THE_LAB[:-8], 5)):
        with serving(hcl=TinyHcl(executions), clock=f"2026-03-02T13:{minute:02}:00Zx0") as lab:
            landed = merged(lab, client, connection_to(lab, "ots"), EXECUTIONS, THE_DAY, the_day, tmp_path)

    assert landed.missing == 3
    missing = [row["id"] for row in held(tmp_path, EXECUTIONS) if row["_missing_since"] is not None]
    assert missing == ["at noon", "never completed", "never started"]


def test_live_executions_are_the_active_ones(lab: Lab, tmp_path: Path) -> None:
    landed = appended(
        lab,
        client,
        connection_to(lab, "ots"),
        LIVE_EXECUTIONS,
        lambda source: source.live_executions(),
        tmp_path,
    )

    rows = held(tmp_path, LIVE_EXECUTIONS)
    assert {row["id"]: row["status"] for row in rows} == {
        "running": "RUNNING",
        "starting": "IN_TRANSITION",
        "planned": "SCHEDULED",
    }
    assert {row["_interval_seconds"] for row in rows} == {300}
    assert landed.complete


def test_logs_of_failed_executions_are_asked_for_once(lab: Lab, tmp_path: Path) -> None:
    connection = connection_to(lab, "ots", execution_logs=True)
    merged(lab, client, connection, EXECUTIONS, THE_DAY, the_day, tmp_path)

    due = logs_due(tmp_path, connection, THE_DAY)
    assert {each.id for each in due} == {"over midnight", "at noon", "never completed", "never started"}
    merged(
        lab, client, connection, EXECUTION_LOGS, THE_DAY, lambda source: source.execution_logs(due), tmp_path
    )

    logs = {row["execution_id"]: row for row in held(tmp_path, EXECUTION_LOGS)}
    assert logs["at noon"]["log"] == "at noon failed\n\tat Driver.java:12\n"
    assert logs["at noon"]["_project_id"] == "1050"
    assert logs["never completed"]["log"] is None
    assert logs["never completed"]["_issues"] == ["not_available"]
    assert logs_due(tmp_path, connection, THE_DAY) == []


def test_logs_are_off_unless_the_connection_asks_for_them(lab: Lab, tmp_path: Path) -> None:
    connection = connection_to(lab, "ots")
    merged(lab, client, connection, EXECUTIONS, THE_DAY, the_day, tmp_path)

    assert logs_due(tmp_path, connection, THE_DAY) == []


def test_ids_are_quoted_before_they_enter_a_path(lab: Lab) -> None:
    before = len(lab.requests)
    asked(
        lab,
        client,
        connection_to(lab, "ots"),
        lambda source: source.execution_logs([FailedExecution("../../agents?x", "1050")]),
    )

    paths = [str(request["path"]) for request in lab.requests[before:]]
    assert paths[-1].endswith("/projects/1050/executions/..%2F..%2Fagents%3Fx/log")
