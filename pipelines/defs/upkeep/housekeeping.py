"""Housekeeping of the lake, every hour: a day's rounds in one file, age limits, what killed processes left."""

from datetime import timedelta

import dagster as dg

from pipelines.defs.sources import contracts
from pipelines.defs.upkeep import POOL
from pipelines.defs.upkeep.cadence import TAG
from pipelines.defs.warehouse.build_state import BuildState
from pipelines.defs.warehouse.folders import Folders
from pipelines.lib.clock import utc_now
from pipelines.lib.housekeeping import housekeep
from pipelines.lib.ingest_partitions import INGEST_PARTITIONS
from pipelines.orchestration.history import forget_checks, forget_logs, forget_runs
from pipelines.orchestration.instance import is_run_over, logs, note_worker
from pipelines.settings import Settings

JOBS = ("housekeeping", "check_lateness")


@dg.asset(key=["lake", "housekeeping"], group_name="lake", kinds={"parquet"}, pool=POOL)
def housekeeping(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The lake as it should lie there: one file per day of rounds, nothing past the age limits that are set."""
    settings = Settings()
    note_worker(context.instance, context.run)
    # As a build does, until the run is over: no file may go while a build reads it.
    BuildState(Folders(settings.home).build).claim(
        context.run.run_id, lambda run_id: is_run_over(context.instance, run_id)
    )
    children = {
        child.name for contract in contracts() for table in contract.TABLES for child in table.children
    }
    tables = [table for contract in contracts() for table in contract.TABLES if table.name not in children]
    before = utc_now() - timedelta(days=settings.keep_runs_days)
    try:
        kept = housekeep(
            settings.lake,
            [*tables, INGEST_PARTITIONS],
            utc_now(),
            keep_days=settings.keep_days,
            keep_raw_days=settings.keep_raw_days,
        )
    finally:  # a lake that cannot be tidied is no reason for Dagster's history to grow
        runs = forget_runs(context.instance, before, TAG, JOBS)
        checks = forget_checks(context.instance, before)
        command_logs = forget_logs(logs(settings.home), before)
    if kept.problems:
        raise dg.Failure("; ".join(kept.problems), allow_retries=False)
    return dg.MaterializeResult(
        metadata={
            "folders_compacted": kept.compacted,
            "files_before": kept.files_before,
            "files_without_raw": kept.without_raw,
            "partitions_removed": kept.removed,
            "runs_forgotten": runs,
            "checks_forgotten": checks,
            "command_logs_removed": command_logs,
        }
    )


housekeeping_job = dg.define_asset_job(
    "housekeeping",
    selection=[housekeeping],
    description="Puts a day's rounds into one file, and removes what is past the age limits.",
)

every_hour = dg.ScheduleDefinition(
    name="housekeeping_every_hour",
    job=housekeeping_job,
    cron_schedule="23 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
