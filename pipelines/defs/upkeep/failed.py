"""What Dagster's own storage tells of runs and checks that failed, as findings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import dagster as dg

from pipelines.defs.upkeep import BUILD_JOB, lateness
from pipelines.defs.upkeep.cadence import TAG
from pipelines.lib.alerts import Finding, one_line
from pipelines.orchestration.instance import PROCESS_TAG
from pipelines.orchestration.lake import CHECKS
from pipelines.orchestration.partitions import CONNECTION_TAG, PARTITION_TAG

LATENESS = {"fresh": "Late data", "no_gaps": "Gaps in the observations", "none_vanished": "Vanished"}
_BUILD = "build"
_RUNS_OF = timedelta(hours=24)
_FROM_OUTSIDE = "from outside the execution context"  # as Dagster says it of a process that it finds gone


def failed_runs(instance: dg.DagsterInstance, ui_url: str, now: datetime) -> Iterator[Finding]:
    """A finding per thing that is read or built whose newest run failed; its days are told together.

    A day or round is the same thing whoever asked for it. Of a command's own runs, only what went well counts: whoever
    typed one that failed was told.
    """
    known: set[tuple[str, str]] = set()
    failed: dict[str, dict[str, dg.DagsterRun]] = {}
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    for record in instance.get_run_records(dg.RunsFilter(statuses=ended, updated_after=now - _RUNS_OF)):
        run = record.dagster_run  # the newest first
        things = set(_things(run)) - known
        if not things or (PROCESS_TAG in run.tags and not run.is_success):
            continue
        known |= things
        if not run.is_success and things - _landed(instance, run):
            failed.setdefault(_subject(run), {})[run.run_id] = run
    for subject, runs in failed.items():
        run_id = next(iter(runs))
        of_days = {run.tags.get(PARTITION_TAG) for run in runs.values()}
        days = f" ({len(of_days)} days)" if len(of_days) > 1 else ""
        text = f"{subject}{days}: {_reason(instance, run_id)}"
        key = f"run/{subject}/{_first_failure(instance)}" if subject == _BUILD else f"run/{subject}"
        yield Finding(key, "Failed runs", text, f"{ui_url}/runs/{run_id}")


def _first_failure(instance: dg.DagsterInstance) -> str:
    """The build that failed first since the last good one: one that fails after that is another matter."""
    good = dg.RunsFilter(job_name=BUILD_JOB, statuses=[dg.DagsterRunStatus.SUCCESS])
    since = [record.create_timestamp for record in instance.get_run_records(good, limit=1)]
    failed = dg.RunsFilter(
        job_name=BUILD_JOB, statuses=[dg.DagsterRunStatus.FAILURE], created_after=since[0] if since else None
    )
    return "".join(run.run_id for run in instance.get_runs(failed, limit=1, ascending=True))


def _things(run: dg.DagsterRun) -> list[tuple[str, str]]:
    """What the run was to bring up to date: tables and their partition, or what a job is for."""
    tables = [key.to_user_string() for key in run.asset_selection or ()]
    if run.job_name == BUILD_JOB or not tables:
        return [(run.job_name, "")]
    return [(table, run.tags.get(PARTITION_TAG, "")) for table in tables]


def _landed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[tuple[str, str]]:
    """What the run brought up to date before it failed."""
    landed = instance.get_asset_keys_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    return {(key.to_user_string(), run.tags.get(PARTITION_TAG, "")) for key in landed}


def _subject(run: dg.DagsterRun) -> str:
    if run.job_name == BUILD_JOB:
        return _BUILD
    partition, connection = run.tags.get(PARTITION_TAG), run.tags.get(CONNECTION_TAG, "")
    if partition and not connection:
        return f"snapshot {partition}"
    sources = ", ".join(sorted({key.path[0] for key in run.asset_selection or ()}))
    return f"{sources or run.tags.get(TAG) or run.job_name} {connection}".strip()


def _reason(instance: dg.DagsterInstance, run_id: str) -> str:
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        failure = entry.get_dagster_event().step_failure_data
        if failure.user_failure_data and failure.user_failure_data.description:
            return one_line(failure.user_failure_data.description)
        if failure.error:
            error = failure.error.cause or failure.error
            return one_line(error.message.partition(": ")[2]) or str(error.cls_name)
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        event = entry.get_dagster_event()
        if event.job_failure_data and event.job_failure_data.error:
            return one_line(event.job_failure_data.error.message)
        if event.message and _FROM_OUTSIDE not in event.message:
            return one_line(event.message)
    return "its process was stopped"


def failed_checks(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition | None, ui_url: str
) -> Iterator[Finding]:
    """A finding per check whose newest evaluation did not pass; of checks of lateness, one per finding of theirs.

    Those of a landing are left out: the newest of them says nothing of another connection or day.
    """
    if repository is None:
        return
    keys = sorted((key for key in repository.asset_graph.asset_check_keys if key.name not in CHECKS), key=str)
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    for key in keys:
        record = records.get(key)
        if record is None or record.status.value != "FAILED" or record.event is None:
            continue
        evaluation = record.event.get_dagster_event().asset_check_evaluation_data
        page = f"{ui_url}/assets/{'/'.join(key.asset_key.path)}?view=checks&checkDetail={key.name}"
        table, _, check = key.name.rpartition("__")
        if key.asset_key == lateness.KEY:
            for what, line in evaluation.metadata["findings"].value.items():
                text = f"{table.replace('__', '.')}: {line}"
                yield Finding(f"{table}/{check}/{what}", LATENESS[check], text, page)
        else:
            table, said = ".".join(key.asset_key.path), evaluation.description or ""
            text = f"{table}: {key.name}" + (f": {one_line(said)}" if said else "")
            yield Finding(f"check/{table}/{key.name}", "Failed checks", text, page)
