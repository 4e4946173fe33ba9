"""The sensor that tells people: runs and checks that failed, late data, and what the marts found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb

from pipelines.defs.upkeep import lateness
from pipelines.defs.upkeep.cadence import TAG
from pipelines.defs.warehouse.folders import Folders
from pipelines.lib.alerts import Finding, message, news, sending, told_after
from pipelines.lib.clock import utc_now
from pipelines.orchestration.instance import FINISHED, PROCESS_TAG
from pipelines.settings import Settings, SettingsError, load_connections

LATENESS = {"fresh": "Late data", "no_gaps": "Gaps in the observations", "none_vanished": "Vanished"}
_RUNS_OF = timedelta(hours=24)
_LONGEST = 300
_FROM_OUTSIDE = "from outside the execution context"  # as Dagster says it of a process that it finds gone

_REASONS = """
    select failure_id, occurrences, tests, regexp_replace(example_message, '\\s+', ' ', 'g')
    from marts.failure_reasons where is_new and occurrences >= $least order by occurrences desc, failure_id
"""
_REGRESSIONS = """
    select connection, test_name, base_rate, base_runs, sample_rate, sample_runs
    from marts.test_regressions where is_regression order by q_value, connection, test_name
"""
_OUTAGES = """
    select connection, scope, scope_id, min(started_at) as began_at, max(ended_at), sum(failures), count(*)
    from marts.outages where ended_at > $since group by all order by began_at, connection, scope, scope_id
"""
_OUTAGES_OF = timedelta(hours=24)  # a first build finds those of weeks, of which nobody need be told now


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells [alerts.*] of connections.toml what is new since the last time, once, in one message.",
)
def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    settings, now = Settings(), utc_now()
    try:
        destinations = load_connections(settings).alerts
    except SettingsError as error:
        return dg.SkipReason(str(error))
    if not destinations:
        return dg.SkipReason("connections.toml names no [alerts.*]")
    found = [
        *failed_runs(context.instance, settings.ui_url, now),
        *failed_checks(context.instance, context.repository_def, settings.ui_url),
    ]
    memory, troubles, told = Memory(settings.home / "alerts.json"), [], 0
    for name, alert in destinations.items():
        findings = [*found, *discoveries(settings, alert.least_failures, now)]
        new = news(findings, memory.of(name), now)
        try:
            if new:
                sending.deliver(alert, message(new, settings.ui_url), now)
            told += len(new)
            memory.keep(name, told_after(findings, memory.of(name), now))
        except sending.DeliveryError as error:
            troubles.append(str(error))
    if troubles:
        raise RuntimeError("; ".join(troubles))
    return dg.SkipReason(f"{len(found)} findings, {told} told now")


class Memory:
    """What each destination was told: a file that is replaced as a whole."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def of(self, destination: str) -> dict[str, str]:
        return self._all().get(destination, {})

    def keep(self, destination: str, told: dict[str, str]) -> None:
        aside = self._file.with_suffix(".next")
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps({**self._all(), destination: told}))
        aside.replace(self._file)

    def _all(self) -> dict[str, dict[str, str]]:
        try:
            return json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}


# --- runs ------------------------------------------------------------------------------------------------------


def failed_runs(instance: dg.DagsterInstance, ui_url: str, now: datetime) -> Iterator[Finding]:
    """A finding per thing that is read or built whose newest run failed; its days are told together.

    A command's own runs are left out: whoever typed it was told.
    """
    newest: dict[tuple[str, str], dg.RunRecord] = {}
    chosen = dg.RunsFilter(statuses=list(FINISHED), updated_after=now - _RUNS_OF)
    for record in instance.get_run_records(chosen):  # the newest first
        if PROCESS_TAG not in record.dagster_run.tags:
            newest.setdefault(_subject(record.dagster_run), record)
    failed: dict[str, list[dg.RunRecord]] = {}
    for (subject, _), record in newest.items():
        if record.dagster_run.status == dg.DagsterRunStatus.FAILURE:
            failed.setdefault(subject, []).append(record)
    for subject, records in failed.items():
        run_id = records[0].dagster_run.run_id
        days = f" ({len(records)} days)" if len(records) > 1 else ""
        text = f"{subject}{days}: {_reason(instance, run_id)}"
        yield Finding(f"run/{subject}", "Failed runs", text, f"{ui_url}/runs/{run_id}")


def _subject(run: dg.DagsterRun) -> tuple[str, str]:
    """What the run was to read or build, and of which day."""
    what = run.tags.get(TAG, "")
    if what.startswith("window/"):
        _, source, connection, day = what.split("/")
        return f"{source} {connection}", day
    return what.replace("/", " ") or run.job_name, run.tags.get("dagster/partition", "")


def _reason(instance: dg.DagsterInstance, run_id: str) -> str:
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        failure = entry.get_dagster_event().step_failure_data
        if failure.user_failure_data and failure.user_failure_data.description:
            return _one_line(failure.user_failure_data.description)
        if failure.error:
            error = failure.error.cause or failure.error
            return _one_line(error.message.partition(": ")[2]) or str(error.cls_name)
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        event = entry.get_dagster_event()
        if event.job_failure_data and event.job_failure_data.error:
            return _one_line(event.job_failure_data.error.message)
        if event.message and _FROM_OUTSIDE not in event.message:
            return _one_line(event.message)
    return "its process was stopped"


# --- checks ----------------------------------------------------------------------------------------------------


def failed_checks(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition | None, ui_url: str
) -> Iterator[Finding]:
    """A finding per check whose newest evaluation did not pass; of checks of lateness, one per finding of theirs."""
    if repository is None:
        return
    keys = sorted(repository.asset_graph.asset_check_keys, key=str)
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
            text = f"{table}: {key.name}" + (f": {_one_line(said)}" if said else "")
            yield Finding(f"check/{table}/{key.name}", "Failed checks", text, page)


# --- what the marts found --------------------------------------------------------------------------------------


def discoveries(settings: Settings, least_failures: int, now: datetime) -> list[Finding]:
    """New failure reasons, regressions and outages, as published. Nothing where nothing is published yet."""
    published = Folders(settings.home).published
    if not published.exists():
        return []
    with duckdb.connect(published, read_only=True) as warehouse:
        marts = {name for (name,) in warehouse.sql("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()}  # fmt: skip
        found: list[Finding] = []
        if "failure_reasons" in marts:
            found += _reasons(
                warehouse.execute(_REASONS, {"least": least_failures}).fetchall(), settings.ui_url
            )
        if "test_regressions" in marts:
            found += _regressions(warehouse.execute(_REGRESSIONS).fetchall(), settings.ui_url)
        if "outages" in marts:
            since = (now - _OUTAGES_OF).astimezone(UTC).replace(tzinfo=None)
            found += _outages(warehouse.execute(_OUTAGES, {"since": since}).fetchall(), settings.ui_url)
    return found


def _reasons(rows: Iterable[tuple], ui_url: str) -> Iterator[Finding]:
    for failure_id, runs, tests, example in rows:
        counted = f"{runs} runs of {tests} {'test' if tests == 1 else 'tests'}"
        link = f"{ui_url}/assets/marts/failure_reasons"
        yield Finding(f"reason/{failure_id}", "New failure reasons", _one_line(f"{counted}: {example}"), link)


def _regressions(rows: Iterable[tuple], ui_url: str) -> Iterator[Finding]:
    for connection, test, base_rate, base_runs, rate, runs in rows:
        before = f", before {base_rate:.0%} of {base_runs}" if base_runs else ""
        text = f"{connection}: {test} fails {rate:.0%} of {runs} runs{before}"
        link = f"{ui_url}/assets/marts/test_regressions"
        yield Finding(f"regression/{connection}/{test}", "New regressions", _one_line(text), link)


def _outages(rows: Iterable[tuple], ui_url: str) -> Iterator[Finding]:
    """One for each device, location or connection: a device that is out again and again is one finding."""
    for connection, scope, scope_id, began_at, ended_at, failures, count in rows:
        where = (
            f"{connection}: {scope} {scope_id}" if scope != "connection" else f"{connection}: the connection"
        )
        often = f" {count} times" if count > 1 else ""
        failed = f"{failures} test run{'' if failures == 1 else 's'} failed for no fault of theirs"
        text = f"{where} was out{often}, {began_at:%Y-%m-%d %H:%M} to {ended_at:%Y-%m-%d %H:%M} UTC: {failed}"
        link = f"{ui_url}/assets/marts/outages"
        yield Finding(f"outage/{connection}/{scope}/{scope_id}", "Outages", _one_line(text), link)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
