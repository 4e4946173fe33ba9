"""Everything that a few days of a lab's systems hold, landed without Dagster: clients, landing, lake."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipelines.defs.sources.enterprise_tester import client as enterprise_tester
from pipelines.defs.sources.enterprise_tester import contract as enterprise_tester_tables
from pipelines.defs.sources.hcl_test_server import client as hcl
from pipelines.defs.sources.hcl_test_server import contract as hcl_tables
from pipelines.defs.sources.hcl_test_server.due import logs_due
from pipelines.defs.sources.perfecto_lab import client as perfecto_lab
from pipelines.defs.sources.perfecto_lab import contract as perfecto_lab_tables
from pipelines.defs.sources.perfecto_live import client as perfecto_live
from pipelines.defs.sources.perfecto_live import contract as perfecto_live_tables
from pipelines.defs.sources.perfecto_reporting import client as perfecto
from pipelines.defs.sources.perfecto_reporting import contract as perfecto_tables
from pipelines.defs.sources.perfecto_reporting.due import commands_due
from pipelines.lib import landing
from pipelines.lib.clock import Clock
from pipelines.settings import Connections, parse_connections

Clock = Clock
INTERVAL = 300


def connections_of(toml: str, commands: str = "all") -> Connections:
    """The lab's connections, with logs of failed executions switched on."""
    document = tomllib.loads(toml)
    for table in document.get("perfecto", {}).values():
        table["commands"] = commands
    for table in document.get("hcl", {}).values():
        table["execution_logs"] = True
    return parse_connections(document, {}, "the lab")


def clock_at(milliseconds: int) -> Clock:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return lambda: moment


async def land_days(connections: Connections, lake: Path, days: Sequence[date], clock: Clock) -> None:
    """Every window table of these days."""
    for day in days:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        window = (start, start + timedelta(days=1))
        for name, cloud in connections.perfecto.items():
            async with perfecto.client(cloud, clock) as source:
                tests = source.test_executions(*window)
                await landing.merge(lake, perfecto_tables.TEST_EXECUTIONS, name, day, tests)
                commands = source.commands(commands_due(lake, cloud, day))
                await landing.merge(lake, perfecto_tables.COMMANDS, name, day, commands)
        for name, server in connections.enterprise_tester.items():
            async with enterprise_tester.client(server, clock) as source:
                runs = source.script_runs(*window)
                await landing.merge(lake, enterprise_tester_tables.SCRIPT_RUNS, name, day, runs)
        for name, server in connections.hcl.items():
            async with hcl.client(server, clock) as source:
                executions = source.executions(*window)
                await landing.merge(lake, hcl_tables.EXECUTIONS, name, day, executions)
                logs = source.execution_logs(logs_due(lake, server, day))
                await landing.merge(lake, hcl_tables.EXECUTION_LOGS, name, day, logs)


async def observe(connections: Connections, lake: Path, clock: Clock) -> None:
    """One observation of every snapshot table."""
    for name, cloud in connections.perfecto.items():
        async with perfecto_lab.client(cloud, clock) as source:
            for table, answer in (
                (perfecto_lab_tables.DEVICES, source.devices()),
                (perfecto_lab_tables.RESERVATIONS, source.reservations()),
                (perfecto_lab_tables.SCRIPT_EXECUTIONS, source.script_executions(INTERVAL)),
            ):
                await landing.append(lake, table, name, answer, INTERVAL)
        async with perfecto_live.client(cloud, clock) as source:
            await landing.append(lake, perfecto_live_tables.EXECUTIONS, name, source.executions(), INTERVAL)
    for name, server in connections.enterprise_tester.items():
        async with enterprise_tester.client(server, clock) as source:
            for table, answer in (
                (enterprise_tester_tables.PROJECTS, source.projects()),
                (enterprise_tester_tables.EXECUTION_PACKAGES, source.execution_packages()),
                (enterprise_tester_tables.SCRIPT_ASSIGNMENTS, source.script_assignments()),
            ):
                await landing.append(lake, table, name, answer, INTERVAL)
    for name, server in connections.hcl.items():
        async with hcl.client(server, clock) as source:
            for table, answer in (
                (hcl_tables.LIVE_EXECUTIONS, source.live_executions()),
                (hcl_tables.AGENTS, source.agents()),
                (hcl_tables.DOCKER_HOSTS, source.docker_hosts()),
                (hcl_tables.DOCKER_HOST_STATUS, source.docker_host_status()),
            ):
                await landing.append(lake, table, name, answer, INTERVAL)
