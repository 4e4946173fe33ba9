"""A small lake with the odd cases that vendors really send, for tests with exact rows.

Connections: `acme` (hand-written cases), `12` (a name that looks like a number, a clean control), `dense`
(many overlapping sessions, drawn at random), `et` (Enterprise Tester). Everything was fetched at FETCHED_AT.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.lib import changepoints
from pipelines.lib.failure_families import failure_families

from .lake_writer import FETCHED_AT, write_rows, write_schema_files

Row = dict[str, Any]
LATER = FETCHED_AT + timedelta(minutes=5)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def execution(run: str, start: str | None, end: str | None, **columns: Any) -> Row:
    return {
        "id": run,
        "external_id": f"driver_{run}",
        "name": "Login works",
        "owner": "ann@example.com",
        "start_time": moment(start) if start else None,
        "end_time": moment(end) if end else None,
        "status": "PASSED",
        "project_name": "Shop",
        **columns,
    }


def phone(run: str, device: str | None, index: int = 0, **columns: Any) -> Row:
    return {
        "test_execution_id": run,
        "platform_index": index,
        "device_id": device,
        "device_type": "MOBILE",
        "os": "ANDROID",
        "os_version": "14",
        "location": "US-BOS",
        "mobile_info_manufacturer": "Samsung",
        "mobile_info_model": "Galaxy S24",
        **columns,
    }


def build_lake(lake: Path) -> None:
    write_schema_files(lake)
    _acme(lake)
    _control(lake)
    _dense(lake)
    _enterprise_tester(lake)


def write_families(derived: Path, templates: pa.Table) -> None:
    """What the pipeline writes between two parts of the build: families of these failure ids and templates."""
    path = derived / "failure_families" / "failure_families.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(failure_families(templates), path)


def write_segments(derived: Path, query: Callable[[str], pa.Table]) -> None:
    """The other such table: segments of these tests' histories."""
    path = derived / "test_segments" / "test_segments.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(changepoints.segments(query), path)


def _acme(lake: Path) -> None:
    nightly = {"job_name": "nightly", "job_number": 7, "job_branch": "main"}
    executions = {
        "2026-03-07": [execution("long", "2026-03-07T20:00", "2026-03-10T09:00")],
        "2026-03-08": [
            execution(
                "first",
                "2026-03-08T10:00:00.000",
                "2026-03-08T10:00:30.250",
                tags=["smoke", "smoke", None],
                **nightly,
            ),
            execution(
                "second",
                "2026-03-08T10:00:10",
                "2026-03-08T10:01:00",
                status="FAILED",
                message="Can't find 'Sign in' 🚪\r\n  at login.js:12",
                failure_reason_name="element NOT found",
                **nightly,
            ),
            execution(
                "manual",
                "2026-03-08T23:50",
                "2026-03-09T00:10",
                name="Interactive session",
                project_name=None,
            ),
            execution("to_midnight", "2026-03-08T23:00", "2026-03-09T00:00", tags=[]),
            execution("moved", "2026-03-08T12:00", "2026-03-08T12:30", status="UNKNOWN"),
        ],
        "2026-03-09": [
            execution("endless", "2026-03-09T06:00", None, _issues=["end_missing"]),
            execution("pair", "2026-03-09T08:00", "2026-03-09T08:05", status="FAILED", message=""),
            execution("desktop", "2026-03-09T09:00", "2026-03-09T09:01", name="Buy a shoe"),
            execution("backwards", "2026-03-09T10:00", "2026-03-09T09:00", _issues=["end_before_start"]),
            execution(
                "year_2452",
                None,
                "2026-03-09T11:00",
                start_time_number=15238557905579,
                _issues=["start_out_of_range"],
            ),
            execution(
                "moved",
                "2026-03-09T12:00",
                "2026-03-09T12:30",
                status="ABORTED",
                _fetched_at=LATER,
                job_name="nightly",
                _issues=["job_number_not_integer"],
            ),
            execution(
                "blocked",
                "2026-03-09T13:00",
                "2026-03-09T13:00",
                status="BLOCKED",
                failure_reason_name="Device not found",
            ),
            execution(
                "in_use",
                "2026-03-09T13:10",
                "2026-03-09T13:11",
                status="FAILED",
                message="x" * 499 + "yz",
                failure_reason_name="Device in use",
            ),
        ],
        "2026-03-10": [
            execution("today", "2026-03-10T10:00", "2026-03-10T10:00:00.001"),
            execution("vanished", "2026-03-10T11:00", "2026-03-10T11:10", _missing_since=LATER),
        ],
    }
    platforms = {
        "2026-03-07": [phone("long", "BBB222", os_version="13")],
        "2026-03-08": [
            phone("first", "AAA111"),
            phone("second", "aaa111"),
            phone("manual", "AAA111"),
            phone("to_midnight", "CCC333", os="IOS", os_version="17.1"),
            phone("moved", "OLD999"),
        ],
        "2026-03-09": [
            phone("endless", "AAA111", os_version=""),
            phone("pair", "AAA111", os_version="15"),
            phone("pair", "CCC333", 1, os="IOS", os_version="17.1"),
            phone("pair", "AAA111", 2, os_version="15"),
            phone("pair", "GONE", 3, _missing_since=FETCHED_AT),
            phone(
                "desktop",
                None,
                device_type="DESKTOP",
                os="WINDOWS",
                os_version="10",
                mobile_info_manufacturer=None,
                mobile_info_model=None,
                browser_info_browser_type="CHROME",
            ),
            phone("backwards", "AAA111", os_version="15"),
            phone("year_2452", "DDD444"),
            phone("moved", "AAA111", os_version="15", _fetched_at=LATER),
            phone("in_use", "CCC333", os="IOS", os_version="17.1"),
        ],
        "2026-03-10": [
            phone("today", "AAA111", os_version="15"),
            phone("vanished", "BBB222", os_version="13"),
        ],
    }
    for day, rows in executions.items():
        without = ("trigger_type", "custom_fields") if day == "2026-03-07" else ()
        write_rows(lake, "perfecto_reporting", "test_executions", "acme", day, rows, without=without)
        write_rows(lake, "perfecto_reporting", "platforms", "acme", day, platforms[day])
    write_rows(lake, "perfecto_reporting", "commands", "acme", "2026-03-08", _commands_of_second())
    write_rows(
        lake,
        "perfecto_reporting",
        "commands",
        "acme",
        "2026-03-09",
        [{"test_execution_id": "pair", "step_index": None, "command_index": None}],
    )


def _commands_of_second() -> list[Row]:
    step = {"test_execution_id": "second", "step_index": 0, "step_name": None}
    return [
        {
            **step,
            "command_index": 0,
            "name": "launch app",
            "status": "SUCCESS",
            "start_time": moment("2026-03-08T10:00:11"),
            "end_time": moment("2026-03-08T10:00:11.125"),
        },
        {
            **step,
            "command_index": 1,
            "name": "Find element",
            "status": "FAILURE",
            "message": "no such element",
            "start_time": moment("2026-03-08T10:00:12"),
            "end_time": None,
        },
        {**step, "command_index": 2, "name": "withdrawn", "status": "SUCCESS", "_missing_since": FETCHED_AT},
        {"test_execution_id": "second", "step_index": 1, "command_index": None, "step_name": "Buy"},
        {
            "test_execution_id": "moved",
            "step_index": 0,
            "command_index": 0,
            "name": "of the old day",
            "status": "SUCCESS",
        },
    ]


def _control(lake: Path) -> None:
    run = execution("first", "2026-03-08T10:00", "2026-03-08T11:00")
    write_rows(lake, "perfecto_reporting", "test_executions", "12", "2026-03-08", [run])
    write_rows(lake, "perfecto_reporting", "platforms", "12", "2026-03-08", [phone("first", "AAA111")])


def _dense(lake: Path) -> None:
    """400 sessions of ten minutes to three days on six devices in five days, milliseconds included."""
    draw = random.Random(7)
    first = moment("2026-03-01T00:00")
    executions: dict[str, list[Row]] = defaultdict(list)
    platforms: dict[str, list[Row]] = defaultdict(list)
    for number in range(400):
        start = first + timedelta(milliseconds=draw.randrange(5 * 86_400_000))
        length = timedelta(milliseconds=int(600_000 * 432 ** (draw.random() ** 6)))
        if number % 40 == 0:
            start = start.replace(hour=0, minute=0, second=0, microsecond=0)
        day = start.date().isoformat()
        run = f"run{number}"
        name = "Interactive session" if number % 11 == 0 else f"Test {number % 17}"
        status = draw.choice(["PASSED", "PASSED", "FAILED"])
        executions[day].append(
            {
                **execution(run, None, None, name=name, status=status),
                "start_time": start,
                "end_time": start + length,
            }
        )
        for index, device in enumerate(draw.sample("abcdef", draw.choice([1, 1, 2]))):
            platforms[day].append(phone(run, f"{device}0{device}".upper(), index))
    for day in executions:
        write_rows(lake, "perfecto_reporting", "test_executions", "dense", day, executions[day])
        write_rows(lake, "perfecto_reporting", "platforms", "dense", day, platforms[day])


def _enterprise_tester(lake: Path) -> None:
    project = {"_project_id": "p1", "_project_name": "Web shop"}
    snapshot = {"_interval_seconds": 300}
    write_rows(
        lake,
        "enterprise_tester",
        "projects",
        "et",
        "2026-03-09",
        [
            {
                "id": "p1",
                "name": "Web shop",
                "time_tracking_configuration_hours_per_day": 8,
                "time_tracking_configuration_days_per_week": 5,
                **snapshot,
            }
        ],
    )
    assignments = [
        {
            "id": f"a{number}",
            "script_id": f"s{number}",
            "name": name,
            "package_name": package,
            **project,
            **snapshot,
        }
        for number, name, package in [
            (1, "Pay", "Release 1"),
            (2, "Pay", "Release 2"),
            (3, "Refund", "Release 1"),
        ]
    ]
    former = [{**assignments[2], "name": "Refunds", "_fetched_at": FETCHED_AT - timedelta(minutes=5)}]
    write_rows(lake, "enterprise_tester", "script_assignments", "et", "2026-03-09", [*assignments, *former])

    def script_run(run: str, assignment: int, status: str, duration: str | None, **columns: Any) -> Row:
        return {
            "id": run,
            "assignment_id": f"a{assignment}",
            "script_id": f"s{assignment}",
            "created_at": moment("2026-03-09T08:00"),
            "last_updated_at": moment("2026-03-09T09:00"),
            "run_by": "Bea",
            "status": status,
            "actual_duration": duration,
            **project,
            **columns,
        }

    write_rows(
        lake,
        "enterprise_tester",
        "script_runs",
        "et",
        "2026-03-09",
        [
            script_run("r1", 1, "Passed", "5 minutes"),
            script_run("r2", 2, "Failed", "1 day, 2 hours and 30 min"),
            script_run("r3", 3, "Undetermined", "a while", last_updated_at=moment("2026-03-09T10:00")),
            script_run("r4", 3, "Not Run", ""),
            script_run("r5", 3, "In Progress", "01:30"),
            script_run("r6", 9, "Blocked", None),
        ],
    )
    write_rows(
        lake,
        "enterprise_tester",
        "script_runs",
        "et",
        "2026-03-08",
        [script_run("r3", 3, "Passed", "1 minute", created_at=moment("2026-03-08T08:00"), _fetched_at=LATER)],
    )
    write_rows(
        lake,
        "enterprise_tester",
        "step_results",
        "et",
        "2026-03-09",
        [
            {
                "run_id": "r2",
                "id": f"step{index}",
                "step_index": index,
                "outcome": outcome,
                "actual_result": actual,
            }
            for index, outcome, actual in [
                (0, "Passed", "fine"),
                (1, "Failed", "The total was wrong"),
                (2, "Failed", "Nothing was sent"),
            ]
        ],
    )
