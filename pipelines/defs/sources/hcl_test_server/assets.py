"""Assets of HCL DevOps Test Hub."""

import dagster as dg

from pipelines.defs.sources.hcl_test_server import contract
from pipelines.defs.sources.hcl_test_server.client import client
from pipelines.defs.sources.hcl_test_server.due import logs_due
from pipelines.orchestration.connections import ConfiguredConnections
from pipelines.orchestration.lake import Lake
from pipelines.orchestration.tables import snapshot_tables, window, window_tables


@window_tables(contract, contract.EXECUTIONS)
async def executions(context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections):
    """The executions that ended on the day."""
    async with client(connections.of_partition(context)) as source:
        for result in await lake.merge(context, contract.EXECUTIONS, source.executions(*window(context))):
            yield result


@window_tables(contract, contract.EXECUTION_LOGS, deps=(contract.EXECUTIONS,))
async def execution_logs(context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections):
    """The logs of the day's failed executions, once each, where the connection asks for them."""
    connection = connections.of_partition(context)
    due = logs_due(lake.root, connection, window(context)[0].date())
    async with client(connection) as source:
        for result in await lake.merge(context, contract.EXECUTION_LOGS, source.execution_logs(due)):
            yield result


@snapshot_tables(contract, contract.LIVE_EXECUTIONS)
async def live_executions(context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections):
    """The executions that are active now."""
    connection = connections.of_partition(context)
    seconds = connection.snapshot_every_minutes * 60
    async with client(connection) as source:
        for result in await lake.append(
            context, contract.LIVE_EXECUTIONS, source.live_executions(), interval_seconds=seconds
        ):
            yield result


@snapshot_tables(contract, contract.AGENTS)
async def agents(context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections):
    """Every agent, whoever made it, now."""
    connection = connections.of_partition(context)
    seconds = connection.snapshot_every_minutes * 60
    async with client(connection) as source:
        for result in await lake.append(context, contract.AGENTS, source.agents(), interval_seconds=seconds):
            yield result


@snapshot_tables(contract, contract.DOCKER_HOSTS)
async def docker_hosts(context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections):
    """The remote docker hosts, now."""
    connection = connections.of_partition(context)
    seconds = connection.snapshot_every_minutes * 60
    async with client(connection) as source:
        for result in await lake.append(
            context, contract.DOCKER_HOSTS, source.docker_hosts(), interval_seconds=seconds
        ):
            yield result


@snapshot_tables(contract, contract.DOCKER_HOST_STATUS)
async def docker_host_status(
    context: dg.AssetExecutionContext, lake: Lake, connections: ConfiguredConnections
):
    """The last known status of each docker host."""
    connection = connections.of_partition(context)
    seconds = connection.snapshot_every_minutes * 60
    async with client(connection) as source:
        for result in await lake.append(
            context, contract.DOCKER_HOST_STATUS, source.docker_host_status(), interval_seconds=seconds
        ):
            yield result
