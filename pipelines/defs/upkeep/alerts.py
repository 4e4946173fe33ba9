"""The sensor that tells people: runs and checks that failed, late data, and what the marts found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from pipelines.defs.upkeep.discovered import of_lake, of_warehouse
from pipelines.defs.upkeep.failed import failed_checks, failed_runs
from pipelines.lib.alerts import Finding
from pipelines.lib.alerts.telling import Memory, tell
from pipelines.lib.clock import utc_now
from pipelines.settings import Alert, Settings, SettingsError, usable_connections

_KNOWN: dict[Path, Mapping[str, Alert]] = {}
"""Destinations by connections file: who was to be told before somebody made a mistake in it is told of that."""


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells [alerts.*] of connections.toml what is new since the last time, once, in one message.",
)
def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    settings, now = Settings(), utc_now()
    destinations, mistakes = _destinations(settings)
    if not destinations and mistakes:
        raise SettingsError("; ".join(mistakes.values()))
    if not destinations:
        return dg.SkipReason("connections.toml names no [alerts.*]")
    memory = Memory(settings.home / "alerts.json")
    with memory.alone() as is_alone:
        if not is_alone:
            return dg.SkipReason("the tick before this one is still telling")
        found = [
            *(Finding(f"settings/{of}", "Settings", mistake) for of, mistake in mistakes.items()),
            *failed_runs(context.instance, settings.ui_url, now),
            *failed_checks(context.instance, context.repository_def, settings.ui_url),
            *of_lake(settings, now),
        ]
        findings = {
            name: [*found, *of_warehouse(settings, alert.least_failures, now)]
            for name, alert in destinations.items()
        }
        told, troubles = tell(destinations, findings, memory, settings.ui_url, now)
    if troubles:
        raise RuntimeError("; ".join(troubles))
    return dg.SkipReason(f"{len(found)} findings, {told} told now")


def _destinations(settings: Settings) -> tuple[Mapping[str, Alert], Mapping[str, str]]:
    """Who is told, and what is wrong in the connections file, by its place there."""
    file = settings.connections_file
    try:
        usable = usable_connections(settings)
        named, mistakes = usable.connections.alerts, usable.wrong
    except SettingsError as error:
        named, mistakes = {}, {file.name: str(error)}
    _KNOWN[file] = {**_KNOWN.get(file, {}), **named} if mistakes else named
    return _KNOWN[file], mistakes
