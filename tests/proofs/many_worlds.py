"""Many worlds of the simulated lab at once, each a connection, as conformed test runs: no API, no lake.

What the APIs and the lake do to a world is for the other proofs; here are as many tests as it takes to measure a share.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from simlab.world.model import TestRun
from simlab.world.names import MANUAL_SESSION_NAME
from simlab.world.perfecto import PerfectoCloud
from simlab.world.truth import FAILURES, NO_PROJECT, TESTS, perfecto_tests

# What the models read beside, and a world that was never watched does not have.
NOTHING = """
    create table core.fct_device_states (
        connection varchar, device_id varchar, device_state varchar, previous_device_state varchar, started_at timestamp, date date
    );
    create table staging.int_device_observations (
        connection varchar, device_id varchar, first_observed_at timestamp, location varchar
    );
    create table staging.stg_perfecto_reporting__commands (vendor_status varchar, message varchar);
    create table core.fct_commands (
        source_name varchar, connection varchar, test_run_id varchar, command_key varchar, run_started_date date,
        started_at timestamp, message varchar, command_status varchar
    );
    create table staging.int_test_run_teams (test_run_id varchar, team varchar);
"""
_TIME = pa.timestamp("us")
RUNS = pa.schema(
    [
        *((name, pa.string()) for name in ("source_name", "connection", "test_run_id", "vendor_run_id", "test_id")),
        *((name, pa.string()) for name in ("variant_id", "variant", "test_name", "vendor_test_name", "project_name")),
        *(("job_name", pa.string()), ("job_number", pa.int64()), ("job_branch", pa.string()), ("build_id", pa.string())),
        *(("run_status", pa.string()), ("vendor_status", pa.string()), ("started_at", _TIME), ("started_date", pa.date32())),
        *(("ended_at", _TIME), ("duration_seconds", pa.float64()), ("owner", pa.string()), ("message", pa.string())),
        *(("failure_reason_name", pa.string()), ("is_manual_session", pa.bool_()), ("device_id", pa.string())),
        *(("device_count", pa.int64()), ("report_url", pa.string()), ("issues", pa.string()), ("missing_since", _TIME)),
    ]
)  # fmt: skip
PLATFORMS = pa.schema(
    [
        *((name, pa.string()) for name in ("connection", "test_run_id", "device_id", "location")),
        ("platform_index", pa.int64()),
    ]
)


def write_worlds(database: Path, truth: Path, worlds: list[PerfectoCloud]) -> None:
    """Test runs and devices as the staging layer has them, and the truth of tests and failures."""
    truth.mkdir()
    with duckdb.connect(str(database)) as made:
        made.execute("create schema core; create schema staging;" + NOTHING)
        for name, schema in (("int_test_runs", RUNS), ("int_perfecto_platforms", PLATFORMS)):
            empty = schema.empty_table()  # noqa: F841
            made.execute(f"create table staging.{name} as select * from empty")
        made.execute(
            "create table core.dim_connections (source_name varchar, connection varchar, last_run_date date)"
        )
        with (
            pq.ParquetWriter(truth / "tests.parquet", TESTS) as tests,
            pq.ParquetWriter(truth / "failures.parquet", FAILURES) as failures,
        ):
            for world in worlds:
                runs = [run for day in world.days() for run in world.test_runs(day)]
                rows = pa.Table.from_pylist([_row(run, world.connection) for run in runs], RUNS)  # noqa: F841
                made.execute("insert into staging.int_test_runs select * from rows")
                devices = pa.Table.from_pylist(  # noqa: F841
                    [row for run in runs for row in _platforms(run, world.connection)], PLATFORMS
                )
                made.execute("insert into staging.int_perfecto_platforms select * from devices")
                made.execute(
                    "insert into core.dim_connections values ('perfecto', ?, ?)",
                    [world.connection, world.last_day()],
                )
                tests.write_table(pa.Table.from_pylist(list(perfecto_tests(world)), TESTS))
                failures.write_table(
                    pa.Table.from_pylist(
                        [_failure(run, world.connection) for run in runs if run.cause_id], FAILURES
                    )
                )


def _row(run: TestRun, connection: str) -> dict[str, Any]:
    device = run.devices[0] if run.devices else None
    variant = [device.device_type, device.os, device.browser_type or ""] if device else ["", "", ""]
    project, status = run.project_name or NO_PROJECT, run.status.lower()
    started, ended = _time(run.started_at), _time(run.ended_at)
    has_build = run.job_name is not None and run.job_number is not None
    return {
        "source_name": "perfecto",
        "connection": connection,
        "test_run_id": _run_id(run, connection),
        "vendor_run_id": run.id,
        "test_id": _md5("perfecto", connection, project, run.name),
        "variant_id": _md5(*variant),
        "variant": " ".join(variant),
        "test_name": run.name,
        "vendor_test_name": run.name,
        "project_name": project,
        "job_name": run.job_name,
        "job_number": run.job_number,
        "job_branch": run.job_branch,
        "build_id": _md5(connection, run.job_name, run.job_number, run.job_branch or "")
        if has_build
        else None,
        "run_status": status if status in ("passed", "failed", "blocked") else "unknown",
        "vendor_status": run.status,
        "started_at": started,
        "started_date": started.date(),
        "ended_at": ended,
        "duration_seconds": (ended - started).total_seconds() if ended else None,
        "owner": run.owner,
        "message": run.message,
        "failure_reason_name": run.failure_reason_name,
        "is_manual_session": run.name == MANUAL_SESSION_NAME,
        "device_id": device.device_id.lower() if device else None,
        "device_count": len(run.devices),
    }


def _platforms(run: TestRun, connection: str) -> Iterator[dict[str, Any]]:
    for index, device in enumerate(run.devices):
        yield {
            "connection": connection,
            "test_run_id": _run_id(run, connection),
            "device_id": device.device_id.lower(),
            "location": device.location,
            "platform_index": index,
        }


def _failure(run: TestRun, connection: str) -> dict[str, Any]:
    return {"test_run_id": _run_id(run, connection), "cause_id": run.cause_id, "outage_id": run.outage_id}


def _run_id(run: TestRun, connection: str) -> str:
    return f"perfecto/{connection}/{run.id}"


def _md5(*parts: object) -> str:
    escaped = (str(part).replace("~", "~0").replace("|", "~1") for part in parts)
    return md5("|".join(escaped).encode(), usedforsecurity=False).hexdigest()


def _time(milliseconds: int | None) -> datetime | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


def worlds(count: int, first_day: date, days: int) -> list[PerfectoCloud]:
    """Worlds of seeds that no other proof uses."""
    return [PerfectoCloud(seed, f"lab{seed}", first_day, days, 1) for seed in range(101, 101 + count)]
