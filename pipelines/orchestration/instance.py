"""The Dagster instance under the home folder, shared by the commands and the UI."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg

SETTINGS = """\
# Written by flakehouse where it was absent; yours to change.
telemetry:
  enabled: false
nux:
  enabled: false

# Asking for thirty days takes a while: nobody's next round waits for that.
sensors: {use_threads: true, num_workers: 4}
schedules: {use_threads: true, num_workers: 2}

# A run whose process was killed is found out, and no run lasts for ever.
run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  poll_interval_seconds: 60
  max_runtime_seconds: 43200

# What sensors and schedules did is of interest for some days. Runs go with housekeeping (FLAKEHOUSE_KEEP_RUNS_DAYS).
retention:
  sensor: {purge_after_days: {skipped: 2, success: 14, failure: 30}}
  schedule: {purge_after_days: 30}

# A run whose turn comes while the code location is down waits for it, half an hour at most.
run_queue:
  max_user_code_failure_retries: 60
  user_code_failure_retry_delay: 30

concurrency:
  pools:
    granularity: run   # a run waits in the queue, and holds no place in which another's next step would go
    default_limit: 1   # the one pool is `warehouse`: builds and housekeeping go one by one
  runs:
    # Three days, a build or housekeeping, the report and the checks of lateness leave one at least to rounds, which
    # cannot be made up for.
    max_concurrent_runs: 7
    tag_concurrency_limits:
      - key: dagster/partition/connection   # days have it, rounds have not
        limit: 3
      # One day of a connection at a time, whatever is waiting: its rate limits are kept within one process.
      - key: dagster/partition/connection
        value: {applyLimitPerUniqueValue: true}
        limit: 1
"""

FINISHED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}

PROCESS_TAG = "flakehouse/process"
"""On runs that a command executes itself: host, process and its start, so that a later one knows it is gone."""


def folder(home: Path) -> Path:
    """`<home>/dagster`, with a `dagster.yaml` in it. OSError where it cannot be written."""
    path = home / "dagster"
    path.mkdir(parents=True, exist_ok=True)
    try:
        with (path / "dagster.yaml").open("x") as settings:
            settings.write(SETTINGS)
    except FileExistsError:
        pass
    return path


def logs(home: Path) -> Path:
    """Where commands write what Dagster and dbt print."""
    return folder(home) / "logs"


def of(home: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(folder(home)))


WORKER_TAG = "flakehouse/worker"
"""The same, on runs that the daemon started."""


def process_tags() -> dict[str, str]:
    return {PROCESS_TAG: _this_process()}


def note_worker(instance: dg.DagsterInstance, run: dg.DagsterRun | None) -> None:
    """Writes down which process executes the run: where it is killed, nobody else would ever end the run."""
    if run is not None and not {PROCESS_TAG, WORKER_TAG} & set(run.tags):
        instance.add_run_tags(run.run_id, {WORKER_TAG: _this_process()})


def is_over(run: dg.DagsterRun) -> bool:
    """True when the run has ended, or the process that executed it is gone."""
    if run.is_finished:
        return True
    host, _, process = (run.tags.get(PROCESS_TAG) or run.tags.get(WORKER_TAG, "")).partition("/")
    pid, _, started = process.partition("/")
    return host == socket.gethostname() and _started(int(pid)) != started


def is_run_over(instance: dg.DagsterInstance, run_id: str) -> bool:
    """True also of a run that nobody knows any more."""
    run = instance.get_run_by_id(run_id)
    return run is None or is_over(run)


NOTED_WITHIN = timedelta(minutes=10)
"""A run notes its process as soon as it has started: one that has not after so long never will."""


def fail_orphans(instance: dg.DagsterInstance, now: datetime) -> int:
    """Runs of processes that were killed have failed: say so, or they would be `started` for ever. Their number."""
    unfinished = [status for status in dg.DagsterRunStatus if status not in FINISHED]
    gone = [
        record.dagster_run
        for record in instance.get_run_records(dg.RunsFilter(statuses=unfinished))
        if is_over(record.dagster_run) or _never_noted(record, now)
    ]
    for run in gone:
        instance.report_run_failed(run, "the process that executed this run was stopped")
    return len(gone)


def _never_noted(record: dg.RunRecord, now: datetime) -> bool:
    run = record.dagster_run
    return (
        run.status == dg.DagsterRunStatus.STARTED
        and not {PROCESS_TAG, WORKER_TAG} & set(run.tags)
        and now.timestamp() - (record.start_time or now.timestamp()) > NOTED_WITHIN.total_seconds()
    )


def _this_process() -> str:
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}"


def _started(pid: int) -> str:
    """When the process started, in clock ticks since boot; empty where it is gone (or the system has no /proc)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
