"""Assets of Perfecto's Execution Manager."""

import dagster as dg

from pipelines.defs.sources.perfecto_live import contract
from pipelines.defs.sources.perfecto_live.client import client
from pipelines.orchestration.connections import ConfiguredConnections
from pipelines.orchestration.lake import Lake
from pipelines.orchestration.tables import snapshot_tables


@snapshot_tables(contract, contract.EXECUTIONS)
async def executions(context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections):
    """What runs now."""
    connection = connections.of_partition(context)
    seconds = connection.snapshot_every_minutes * 60
    async with client(connection) as source:
        for result in await lake.append(
            context, contract.EXECUTIONS, source.executions(), interval_seconds=seconds
        ):
            yield result
