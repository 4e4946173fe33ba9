"""What there is to find: runs that ended and a warehouse that is published, as small as they can be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import duckdb

from pipelines.orchestration import partitions

UI = "http://ui"
FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)
NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)


TESTS, COMMANDS = (dg.AssetKey(["perfecto_reporting", name]) for name in ("test_executions", "commands"))


def run(instance: dg.DagsterInstance, error: str | None, tags: Mapping[str, str] | None = None) -> str:
    """The run of a job, which ended; its id."""

    @dg.op
    def step() -> None:
        if error:
            raise dg.Failure(error, allow_retries=False)

    @dg.job
    def a_job() -> None:
        step()

    return a_job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).run_id


def read(
    instance: dg.DagsterInstance,
    error: str | None,
    connection: str,
    day: date,
    tables: tuple[dg.AssetKey, ...] = (TESTS, COMMANDS),
    tags: Mapping[str, str] | None = None,
    failing: tuple[dg.AssetKey, ...] = (TESTS, COMMANDS),
) -> str:
    """A run that read these tables of a day; its id. Tags are of whoever asked for it; `failing` are those with the
    error.
    """
    days = partitions.days_and_connections("perfecto")

    def table(key: dg.AssetKey) -> dg.AssetsDefinition:
        @dg.asset(key=key, partitions_def=days)
        def landed() -> None:
            if error and key in failing:
                raise dg.Failure(error, allow_retries=False)

        return landed

    instance.add_dynamic_partitions("perfecto", [connection])
    job = dg.Definitions(assets=[table(key) for key in tables]).resolve_implicit_job_def_def_for_assets(
        list(tables)
    )
    return job.execute_in_process(
        instance=instance,
        asset_selection=list(tables),
        partition_key=partitions.key(day, connection),
        tags=tags,
        raise_on_error=False,
    ).run_id


Outage = tuple[str, str, str, datetime, datetime, int]
"""scope, its id, connection; from, to; failures"""


def publish(
    home: Path, *reasons: tuple[str, int, bool], regressions: int = 0, outages: tuple[Outage, ...] = ()
) -> None:
    file = home / "warehouse" / "flakehouse.duckdb"
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    with duckdb.connect(file) as warehouse:
        warehouse.execute("create schema marts")
        warehouse.execute("""create table marts.failure_reasons
            (failure_id text, occurrences bigint, is_new boolean, tests bigint, example_message text)""")
        warehouse.execute("""create table marts.test_regressions (connection text, test_name text,
            base_rate double, base_runs bigint, sample_rate double, sample_runs bigint, q_value double,
            is_regression boolean)""")
        for reason in reasons:
            warehouse.execute(
                "insert into marts.failure_reasons values (?, ?, ?, 3, 'No such\n  element')", reason
            )
        for number in range(regressions):
            warehouse.execute(
                "insert into marts.test_regressions values ('acme', ?, .02, 400, .4, 50, .01, true)",
                [f"checkout {number}"],
            )
        warehouse.execute("""create table marts.outages (scope text, scope_id text, connection text,
            started_at timestamp, ended_at timestamp, failures bigint)""")
        for scope, scope_id, connection, began, ended, failures in outages:
            times = [moment.replace(tzinfo=None) for moment in (began, ended)]
            warehouse.execute(
                "insert into marts.outages values (?, ?, ?, ?, ?, ?)",
                [scope, scope_id, connection, *times, failures],
            )
        warehouse.execute("insert into marts.test_regressions values ('acme', 'fine', 0, 9, 0, 9, 1, false)")
