"""Assets of Enterprise Tester."""

import dagster as dg

from pipelines.defs.sources.enterprise_tester import contract
from pipelines.defs.sources.enterprise_tester.client import client
from pipelines.orchestration.connections import ConfiguredConnections
from pipelines.orchestration.lake import Lake
from pipelines.orchestration.tables import snapshot_tables, window, window_tables


@window_tables(contract, contract.SCRIPT_RUNS)
async def script_runs(context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections):
    """The script runs that were created on the day, and the results of their steps."""
    async with client(connections.of_partition(context)) as source:
        for result in await lake.merge(context, contract.SCRIPT_RUNS, source.script_runs(*window(context))):
            yield result


@snapshot_tables(contract, contract.PROJECTS)
async def projects(context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections):
    """Every project that the user can see, now."""
    connection = connections.of_partition(context)
    seconds = connection.snapshot_every_minutes * 60
    async with client(connection) as source:
        for result in await lake.append(
            context, contract.PROJECTS, source.projects(), interval_seconds=seconds
        ):
            yield result


@snapshot_tables(contract, contract.EXECUTION_PACKAGES)
async def execution_packages(
    context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections
):
    """Every execution package of the projects that are read, now."""
    connection = connections.of_partition(context)
    seconds = connection.snapshot_every_minutes * 60
    async with client(connection) as source:
        for result in await lake.append(
            context, contract.EXECUTION_PACKAGES, source.execution_packages(), interval_seconds=seconds
        ):
            yield result


@snapshot_tables(contract, contract.SCRIPT_ASSIGNMENTS)
async def script_assignments(
    context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections
):
    """Every script assigned in those packages, now."""
    connection = connections.of_partition(context)
    seconds = connection.snapshot_every_minutes * 60
    async with client(connection) as source:
        for result in await lake.append(
            context, contract.SCRIPT_ASSIGNMENTS, source.script_assignments(), interval_seconds=seconds
        ):
            yield result
