"""Assets of Perfecto Smart Reporting."""

import dagster as dg

from pipelines.defs.sources.perfecto_reporting import contract
from pipelines.defs.sources.perfecto_reporting.client import client
from pipelines.defs.sources.perfecto_reporting.due import commands_due
from pipelines.orchestration.connections import ConfiguredConnections
from pipelines.orchestration.lake import Lake
from pipelines.orchestration.tables import window, window_tables


@window_tables(contract, contract.TEST_EXECUTIONS)
async def test_executions(context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections):
    """The tests that started on the day, and the devices that each ran on."""
    async with client(connections.of_partition(context)) as source:
        for result in await lake.merge(
            context, contract.TEST_EXECUTIONS, source.test_executions(*window(context))
        ):
            yield result


@window_tables(contract, contract.COMMANDS, deps=(contract.TEST_EXECUTIONS,))
async def commands(context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections):
    """The commands of the day's tests: one request per test, asked again only after the test changed."""
    connection = connections.of_partition(context)
    due = commands_due(lake.root, connection, window(context)[0].date())
    async with client(connection) as source:
        for result in await lake.merge(context, contract.COMMANDS, source.commands(due)):
            yield result
