"""The sensors that ask for observations, days and builds. On by default; none keeps more than its last moment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from pipelines.defs.sources import contracts
from pipelines.defs.upkeep import BUILD_JOB
from pipelines.lib import landings
from pipelines.lib.clock import utc_now
from pipelines.orchestration import asked, cadence, partitions
from pipelines.orchestration.cadence import Builds
from pipelines.orchestration.connections import register
from pipelines.orchestration.instance import FINISHED
from pipelines.settings import SWEPT_DAYS, Connection, Settings, usable_connections

TAG = "flakehouse/cadence"
"""On every run that a sensor asked for: what of, so that it is not asked for twice."""

_UNFINISHED = [status for status in dg.DagsterRunStatus if status not in FINISHED]
MOST_WAITING = 12
"""Days of a connection that wait or are read at once. The daemon takes a second to put one into the queue: thirty of
each connection would keep it from noticing anything else for minutes."""

_EVERY_DAY, _ALL = "9999-12-31", ""
"""How far back the days of a tick were asked for: no day yet, and each of them."""

_PRIORITY_OF_ROUNDS, _PRIORITY_OF_BUILDS, _PRIORITY_OF_TODAY = 20, 10, 5


def _keys(kind: str) -> list[dg.AssetKey]:
    tables = (table for contract in contracts() for table in contract.TABLES if table.kind == kind)
    return [dg.AssetKey([table.source, table.name]) for table in tables]


def _configured(context: dg.SensorEvaluationContext) -> Mapping[str, Connection]:
    configured = usable_connections(Settings()).connections
    register(context.instance, configured)  # a run of a partition that is not known yet is refused
    return configured.all


def _under_way(instance: dg.DagsterInstance) -> set[str]:
    """What was asked for and has not ended."""
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED))
    return {run.tags[TAG] for run in runs if TAG in run.tags}


@dg.sensor(
    asset_selection=_keys("snapshot"),
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="One round of observations per connection, every `snapshot_every_minutes` of it.",
)
def snapshots(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    connections = _configured(context)
    now, last = utc_now(), json.loads(context.cursor or "{}")
    under_way = _under_way(context.instance)
    handled, requests = {name: slot for name, slot in last.items() if name in connections}, []
    for name, connection in connections.items():
        what = f"snapshot/{name}"
        keys = [
            dg.AssetKey([table.source, table.name])
            for contract in contracts()
            if connection.kind == contract.KIND
            for table in contract.TABLES
            if table.kind == "snapshot"
        ]
        slot = cadence.slot(now, connection.snapshot_every_minutes)
        if keys and handled.get(name) != slot and what not in under_way:
            handled[name] = slot
            tags = {TAG: what, "dagster/priority": str(_PRIORITY_OF_ROUNDS)}
            requests.append(dg.RunRequest(asset_selection=keys, partition_key=name, tags=tags))
    if not requests:
        return dg.SkipReason("no round is due")
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(handled))


@dg.sensor(
    asset_selection=_keys("window"),
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="The days that may have changed, every `read_every_minutes` of a connection: three of look-back, missed"
    " ones, once a week thirty.",
)
def windows(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    connections, settings, now = _configured(context), Settings(), utc_now()
    known, asked_for = json.loads(context.cursor or "{}"), {}
    under_way, requests = _under_way(context.instance), []
    landed: asked.OfTables | None = None
    for name, connection in connections.items():
        tick, reached = cadence.tick(now, _every(connection)).isoformat(), _EVERY_DAY
        if isinstance(known.get(name), dict) and known[name]["tick"] == tick:
            reached = known[name]["reached"]
        if reached != _ALL:
            landed = landed or asked.of_tables(settings.lake, now.date() - timedelta(SWEPT_DAYS + 1), now)
            room = MOST_WAITING - sum(what.split("/")[2:3] == [name] for what in under_way)
            due = {_place(each): each for each in _days_of(connection, landed, now)}
            left = sorted(
                (place for place in due if place < reached and due[place].tags[TAG] not in under_way),
                reverse=True,
            )
            chosen = left[: max(room, 0)]
            requests += [due[place] for place in chosen]
            reached = _ALL if len(chosen) == len(left) else min(chosen, default=reached)
        asked_for[name] = {"tick": tick, "reached": reached}
    if not requests and asked_for == known:
        return dg.SkipReason("every connection's days were asked for")
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(asked_for))


def _place(request: dg.RunRequest) -> str:
    """Where a day of a source comes among those of its connection: the newest is the greatest."""
    what = request.tags[TAG]
    return f"{what.rpartition('/')[2]} {what}"


def _every(connection: Connection) -> timedelta:
    return timedelta(minutes=connection.read_every_minutes)


def _days_of(connection: Connection, landed: asked.OfTables, now: datetime) -> Iterator[dg.RunRequest]:
    for contract in contracts():
        tables = [table for table in contract.TABLES if table.kind == "window"]
        if connection.kind != contract.KIND or not tables:
            continue
        together = asked.together(landed, tables, connection.name)
        for day in cadence.due_days(now, together, _every(connection)):
            priority = _PRIORITY_OF_TODAY - (now.astimezone(UTC).date() - day).days
            yield dg.RunRequest(
                asset_selection=[dg.AssetKey([table.source, table.name]) for table in tables],
                partition_key=partitions.key(day, connection.name),
                tags={
                    TAG: f"window/{contract.SOURCE}/{connection.name}/{day}",
                    "dagster/priority": str(priority),
                },
            )


@dg.sensor(
    job_name=BUILD_JOB,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A build when the lake has changed since the last good one, every FLAKEHOUSE_BUILD_EVERY_MINUTES at most.",
)
def builds(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    settings, now = Settings(), utc_now()
    every = timedelta(minutes=settings.build_every_minutes)
    known = _builds(context.instance, settings, now)
    if not cadence.build_is_due(now, known, every):
        return dg.SkipReason(_why_not(known))
    return dg.RunRequest(tags={TAG: "build", "dagster/priority": str(_PRIORITY_OF_BUILDS)})


def _builds(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> Builds:
    def newest(*statuses: dg.DagsterRunStatus) -> datetime | None:
        chosen = dg.RunsFilter(job_name=BUILD_JOB, statuses=statuses or None)
        records = instance.get_run_records(chosen, limit=1)
        return records[0].create_timestamp.astimezone(UTC) if records else None

    succeeded_at = newest(dg.DagsterRunStatus.SUCCESS)
    since = succeeded_at or now - timedelta(days=SWEPT_DAYS)
    first, last = landings.changes(settings.lake, since.date()) or (None, None)
    return Builds(
        started_at=newest(),
        succeeded_at=succeeded_at,
        first_changed_at=first,
        changed_at=last,
        is_building=bool(
            instance.get_runs(filters=dg.RunsFilter(job_name=BUILD_JOB, statuses=_UNFINISHED), limit=1)
        ),
        is_reading=any(what.startswith("window/") for what in _under_way(instance)),
    )


def _why_not(known: Builds) -> str:
    if known.is_building:
        return "a build is under way"
    if known.changed_at is None or (known.succeeded_at and known.changed_at < known.succeeded_at):
        return "nothing changed since the last good build"
    return "the last build is not long enough ago" + (", and days are being read" if known.is_reading else "")
