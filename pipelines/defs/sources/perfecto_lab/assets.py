"""Assets of a Perfecto cloud's devices and services."""

import dagster as dg

from pipelines.defs.sources.perfecto_lab import contract
from pipelines.defs.sources.perfecto_lab.client import client
from pipelines.orchestration.connections import ConfiguredConnections
from pipelines.orchestration.lake import Lake
from pipelines.orchestration.tables import snapshot_tables


@snapshot_tables(contract, contract.DEVICES)
async def devices(context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections):
    """Every device that the user may see, now."""
    connection = connections.of_partition(context)
    seconds = connection.snapshot_every_minutes * 60
    async with client(connection) as source:
        for result in await lake.append(
            context, contract.DEVICES, source.devices(), interval_seconds=seconds
        ):
            yield result


@snapshot_tables(contract, contract.RESERVATIONS)
async def reservations(context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections):
    """The reservations of yesterday to next week, as they are now."""
    connection = connections.of_partition(context)
    seconds = connection.snapshot_every_minutes * 60
    async with client(connection) as source:
        for result in await lake.append(
            context, contract.RESERVATIONS, source.reservations(), interval_seconds=seconds
        ):
            yield result


@snapshot_tables(contract, contract.SCRIPT_EXECUTIONS)
async def script_executions(
    context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections
):
    """Script executions that run now or have just completed."""
    connection = connections.of_partition(context)
    seconds = connection.snapshot_every_minutes * 60
    async with client(connection) as source:
        for result in await lake.append(
            context, contract.SCRIPT_EXECUTIONS, source.script_executions(seconds), interval_seconds=seconds
        ):
            yield result
