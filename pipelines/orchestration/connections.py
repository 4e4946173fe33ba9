"""Connections as Dagster sees them: a partition each, kept in step with the connections file."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from pipelines.settings import Connection, Connections, Settings, SettingsError, usable_connections

KINDS = tuple(sorted(kind.kind for kind in Connection.__subclasses__()))


class ConfiguredConnections(dg.ConfigurableResource):
    """The connections file, read when an asset runs, so that a mended file needs no restart."""

    def of_partition(self, context: dg.AssetExecutionContext) -> Connection:
        """The connection of the partition; SettingsError where the file names it wrongly, or no longer."""
        name = connection_name(context.partition_key)
        usable = usable_connections(Settings())
        if name in usable.connections.all:
            return usable.connections.all[name]
        for place, mistake in usable.wrong.items():
            if place.partition(".")[2] == name:
                raise SettingsError(mistake)
        raise SettingsError(f"{Settings().connections_file}: no connection is called {name!r} any more")


def connection_name(partition_key: str) -> str:
    if isinstance(partition_key, dg.MultiPartitionKey):
        return partition_key.keys_by_dimension["connection"]
    return partition_key


def register(instance: dg.DagsterInstance, connections: Connections) -> None:
    """Make a partition of every connection that has none yet."""
    for kind, names in _by_kind(connections).items():
        instance.add_dynamic_partitions(kind, sorted(names))


@dg.sensor(name="connections", default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=30)
def connections_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Adds and removes partitions as the connections file changes. What was landed stays in the lake."""
    usable = usable_connections(Settings())
    requests = []
    for kind, names in _by_kind(usable.connections).items():
        known = set(context.instance.get_dynamic_partitions(kind))
        if new := names - known:
            requests.append(dg.AddDynamicPartitionsRequest(kind, sorted(new)))
        # While something in the file is wrong, nobody can say whether a connection is gone or misspelt.
        if (gone := known - names) and not usable.wrong:
            requests.append(dg.DeleteDynamicPartitionsRequest(kind, sorted(gone)))
    return dg.SensorResult(dynamic_partitions_requests=requests)


def _by_kind(connections: Connections) -> Mapping[str, set[str]]:
    return {kind: {c.name for c in connections.all.values() if c.kind == kind} for kind in KINDS}
