"""Dagster's history: what is past its age goes. Dagster has a setting for ticks, and none for runs and checks.

What may go is asked of its tables: over its own calls each run that stays would cost a question of its own, and of
the rows of checks it deletes none, neither with their runs nor by any other call. Both statements are the same for
SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sql
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable

from pipelines.orchestration.instance import FINISHED

MOST_RUNS = 1_000
"""At a time: nearly a day's, so that housekeeping of every hour catches up with a year in two weeks."""

MOST_CHECKS = 20_000
"""At a time: more in one statement is too many parameters for SQLite. About 600 an hour come."""


def forget_runs(
    instance: dg.DagsterInstance, before: datetime, cadence_tag: str, jobs: Collection[str]
) -> int:
    """Deletes runs that ended and are from before then: those that sensors asked for (`cadence_tag`), and of `jobs`.

    The newest good one of each thing stays: by its events Dagster's pages know that a day was read, as Dagster
    forgets what it reckoned of a table's days whenever a connection comes or goes. So does what a person asked for.
    Returns their number.
    """
    of_no_more_use = _runs_of_no_more_use(before, cadence_tag, jobs)
    with instance.run_storage.connect() as connection:
        run_ids = connection.execute(of_no_more_use).scalars().all()
    for run_id in run_ids:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        _remove_file_of_events(instance, run_id)
    return len(run_ids)


def _runs_of_no_more_use(before: datetime, cadence_tag: str, jobs: Collection[str]) -> sql.Select:
    run, tag = RunsTable.c, RunTagsTable.c
    columns = (run.id, run.run_id, run.status, run.create_timestamp)
    ended = run.status.in_([status.value for status in FINISHED])
    asked_for = (
        sql.select(*columns, tag.value.label("what"))
        .join_from(RunTagsTable, RunsTable, run.run_id == tag.run_id)
        .where(tag.key == cadence_tag, ended)
    )
    of_jobs = sql.select(*columns, run.pipeline_name).where(run.pipeline_name.in_(jobs), ended)
    known = sql.union(asked_for, of_jobs).cte("known")
    newest_good = (
        sql.select(sql.func.max(known.c.id))
        .where(known.c.status == dg.DagsterRunStatus.SUCCESS.value)
        .group_by(known.c.what)
    )
    return (
        sql.select(known.c.run_id)
        .where(known.c.create_timestamp < before.replace(tzinfo=None), known.c.id.not_in(newest_good))
        .order_by(known.c.id)
        .limit(MOST_RUNS)
    )


def _remove_file_of_events(instance: dg.DagsterInstance, run_id: str) -> None:
    """In SQLite a run's events are a file of their own, which Dagster empties and leaves."""
    storage = instance.event_log_storage
    if storage.is_run_sharded:
        file = Path(storage.path_for_shard(run_id))
        for each in file.parent.glob(f"{file.name}*"):  # with its log
            each.unlink(missing_ok=True)


def forget_checks(instance: dg.DagsterInstance, before: datetime) -> int:
    """Deletes evaluations of checks from before then, but for the newest of each check and outcome. Their number."""
    checks = AssetCheckExecutionsTable.c
    newest = sql.select(sql.func.max(checks.id)).group_by(
        checks.asset_key, checks.check_name, checks.partition, checks.execution_status
    )
    of_no_more_use = (
        sql.select(checks.id)
        .where(checks.create_timestamp < before.replace(tzinfo=None), checks.id.not_in(newest))
        .order_by(checks.id)
        .limit(MOST_CHECKS)
    )
    with instance.event_log_storage.index_connection() as connection:
        ids = connection.execute(of_no_more_use).scalars().all()
    # In a transaction of its own: nobody's writing waits while they are looked for.
    with instance.event_log_storage.index_connection() as connection:
        connection.execute(AssetCheckExecutionsTable.delete().where(checks.id.in_(ids)))
    return len(ids)


def forget_logs(folder: Path, before: datetime) -> int:
    """Deletes what commands wrote into their log files and did not touch since then. Their number."""
    old = [file for file in folder.glob("*.log") if file.stat().st_mtime < before.timestamp()]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)
