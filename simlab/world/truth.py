"""The world's truth as Parquet files, written day by day: what a warehouse built from the APIs should find.

`tests`: one row per test and name. `failure_probability` is the long-run share of failing attempts, outages and
broken builds aside; of a test that regressed or was fixed it is the mean over the world's days (so never 0 or 1),
with `changed_at`, `rate_before` and `rate_after`. `state` is never_fails, flaky, broken, regressed or fixed; `cause`,
of flaky ones, device_bound or intermittent. A rate of 0 does not mean no failure: outages and broken builds hit all.
`device_occupancy`: one row per session and device, as far as the export shows when it was.
`failures`: one row per failed or blocked run; `outage_id` where an outage did it, whatever the message says.
`outages`: all of them, also those in which nothing ran. `device_states`: when a device was not connected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from simlab.world.catalogue import DEVICE_BOUND, CatalogueTest
from simlab.world.enterprise_tester import ManualTesting
from simlab.world.model import Outage, TestRun
from simlab.world.names import MANUAL_SESSION_NAME
from simlab.world.oddities import WITHOUT_OCCUPANCY
from simlab.world.perfecto import PerfectoCloud
from simlab.world.randomness import midnight
from simlab.world.true_rates import BROKEN, FLAKY_STATE, NEVER_FAILS, changes, failure_probability, state

NO_PROJECT = "(no project)"  # how the warehouse names the absence of a project
_TIME = pa.timestamp("ms", "UTC")
TESTS = pa.schema(
    [
        ("source_name", pa.string()),
        ("connection", pa.string()),
        ("project_name", pa.string()),
        ("test_name", pa.string()),
        ("failure_probability", pa.float64()),
        ("state", pa.string()),
        ("cause", pa.string()),
        ("cause_ids", pa.list_(pa.string())),
        ("device_bound_to", pa.string()),
        ("rate_on_device", pa.float64()),
        ("changed_at", _TIME),
        ("rate_before", pa.float64()),
        ("rate_after", pa.float64()),
        ("previous_name", pa.string()),
        ("renamed_at", _TIME),
        ("is_dependent", pa.bool_()),
    ]
)
OCCUPANCY = pa.schema(
    [
        ("connection", pa.string()),
        ("device_id", pa.string()),
        ("started_at", _TIME),
        ("ended_at", _TIME),
        ("kind", pa.string()),
        ("test_run_id", pa.string()),
    ]
)
FAILURES = pa.schema([("test_run_id", pa.string()), ("cause_id", pa.string()), ("outage_id", pa.string())])
OUTAGES = pa.schema(
    [
        ("connection", pa.string()),
        ("scope", pa.string()),
        ("scope_id", pa.string()),
        ("started_at", _TIME),
        ("ended_at", _TIME),
        ("outage_id", pa.string()),
    ]
)
STATES = pa.schema(
    [
        ("connection", pa.string()),
        ("device_id", pa.string()),
        ("state", pa.string()),
        ("started_at", _TIME),
        ("ended_at", _TIME),
    ]
)


def occupancy(run: TestRun, connection: str) -> list[dict[str, object]]:
    """How long a run held each of its devices, as far as the export shows it."""
    if run.oddity in WITHOUT_OCCUPANCY or run.ended_at is None:
        return []
    return [
        {
            "connection": connection,
            "device_id": device.device_id.lower(),
            "started_at": run.started_at,
            "ended_at": run.ended_at,
            "kind": "manual" if run.name == MANUAL_SESSION_NAME else "test",
            "test_run_id": f"perfecto/{connection}/{run.id}",
        }
        for device in run.devices
    ]


def perfecto_tests(cloud: PerfectoCloud) -> Iterator[dict[str, object]]:
    """One row per test and name that it bore within the world's days."""
    first, last = cloud.first_day().toordinal(), cloud.last_day().toordinal()
    for catalogue, fleet in zip(cloud.catalogues, cloud.fleets, strict=True):
        for test in catalogue.tests:
            true_state = state(test, first, last)
            changed = changes(test, first, last)
            row = {
                "source_name": "perfecto",
                "connection": cloud.connection,
                "project_name": test.project_name or NO_PROJECT,
                "failure_probability": failure_probability(test, catalogue, first, last),
                "state": true_state,
                "cause": _cause(test, true_state),
                "cause_ids": list(test.causes) if true_state != NEVER_FAILS else [],
                "device_bound_to": None if test.bound_to is None else fleet.device_ids[test.bound_to].lower(),
                "rate_on_device": None if test.bound_to is None else test.bound_rate,
                "changed_at": changed[-1][0] if changed else None,
                "rate_before": changed[-1][1] if changed else None,
                "rate_after": changed[-1][2] if changed else None,
                "is_dependent": test.kind == "dependent",
            }
            yield row | {"test_name": test.name_on(first), "previous_name": None, "renamed_at": None}
            for day in test.renamed_in(first, last):
                yield row | {
                    "test_name": test.name_on(day),
                    "previous_name": test.name_on(day - 1),
                    "renamed_at": midnight(day),
                }


def _cause(test: CatalogueTest, true_state: str) -> str | None:
    if true_state != FLAKY_STATE:
        return None
    return DEVICE_BOUND if test.kind == DEVICE_BOUND else "intermittent"


def manual_tests(server: ManualTesting) -> Iterator[dict[str, object]]:
    """One row per assignment that was ever run; its name carries its package where two share it in a project."""
    names = [(t.project.id, t.assignment.name) for t in server.catalogue.tests]
    for test in server.catalogue.tests:
        if not server.script_runs(test.assignment.id):
            continue
        name = test.assignment.name
        if names.count((test.project.id, name)) > 1:
            name = f"{name} ({test.package_name})"
        true_state = {0.0: NEVER_FAILS, 1.0: BROKEN}.get(test.rate, FLAKY_STATE)
        yield {
            "source_name": "enterprise_tester",
            "connection": server.connection,
            "project_name": test.project.name,
            "test_name": name,
            "failure_probability": test.rate,
            "state": true_state,
            "cause": "intermittent" if true_state == FLAKY_STATE else None,
            "cause_ids": [test.cause_id] if true_state != NEVER_FAILS else [],
            "is_dependent": False,
        }


def write_truth(folder: Path, clouds: Sequence[PerfectoCloud], servers: Sequence[ManualTesting]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:

        def writer(name: str, schema: pa.Schema) -> pq.ParquetWriter:
            return stack.enter_context(
                pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd")
            )

        def write(to: pq.ParquetWriter, schema: pa.Schema, rows: list[dict[str, object]]) -> None:
            if rows:
                to.write_table(pa.Table.from_pylist(rows, schema=schema))

        tests, occupied = writer("tests", TESTS), writer("device_occupancy", OCCUPANCY)
        failures, outages = writer("failures", FAILURES), writer("outages", OUTAGES)
        states = writer("device_states", STATES)
        for cloud in clouds:
            write(tests, TESTS, list(perfecto_tests(cloud)))
            for day in cloud.days():
                runs = cloud.test_runs(day)
                write(occupied, OCCUPANCY, [row for run in runs for row in occupancy(run, cloud.connection)])
                write(failures, FAILURES, [_failure(run, cloud.connection) for run in runs if run.cause_id])
                write(outages, OUTAGES, [_outage(o) for o in cloud.outages_of(day)])
                write(states, STATES, list(_states(cloud, day.toordinal())))
        for server in servers:
            write(tests, TESTS, list(manual_tests(server)))
            write(
                failures,
                FAILURES,
                [
                    {
                        "test_run_id": f"enterprise_tester/{server.connection}/{run.id}",
                        "cause_id": run.cause_id,
                    }
                    for test in server.catalogue.tests
                    for run in server.script_runs(test.assignment.id)
                    if run.cause_id
                ],
            )


def _failure(run: TestRun, connection: str) -> dict[str, object]:
    return {
        "test_run_id": f"perfecto/{connection}/{run.id}",
        "cause_id": run.cause_id,
        "outage_id": run.outage_id,
    }


def _states(cloud: PerfectoCloud, ordinal: int) -> Iterator[dict[str, object]]:
    """When each device was not connected, without overlaps; at all other times it was."""
    for fleet in cloud.fleets:
        for device_id in fleet.device_ids:
            for away in cloud.unavailable(device_id, ordinal):
                yield {
                    "connection": cloud.connection,
                    "device_id": device_id.lower(),
                    "state": away.state,
                    "started_at": away.started_at,
                    "ended_at": away.ended_at,
                }


def _outage(outage: Outage) -> dict[str, object]:
    return {
        "connection": outage.connection,
        "scope": outage.scope,
        "scope_id": outage.scope_id.lower() if outage.scope == "device" else outage.scope_id,
        "started_at": outage.started_at,
        "ended_at": outage.ended_at,
        "outage_id": outage.outage_id,
    }
