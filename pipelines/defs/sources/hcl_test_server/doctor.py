"""How `flakehouse doctor` looks at an HCL test server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from pipelines.defs.sources.hcl_test_server.client import FailedExecution, HclTestServer, client
from pipelines.defs.sources.hcl_test_server.contract import (
    AGENTS,
    DOCKER_HOST_STATUS,
    DOCKER_HOSTS,
    EXECUTION_LOGS,
    EXECUTIONS,
    FAILED,
    LIVE_EXECUTIONS,
    Execution,
    ProjectPlace,
)
from pipelines.lib.answer import Answer
from pipelines.lib.probing import Finding, Probe, glance
from pipelines.settings import HclConnection

__all__ = ["PROBES", "client"]

_RECENT = timedelta(days=1)
_OF_PROJECTS = "correct projects, and make the user a member of each of them"
_OF_SERVER = "give the user the right to see them"


def _listing(
    ask: Callable[[HclTestServer, datetime], Answer], what: str, advice: str
) -> Callable[..., Awaitable[Finding]]:
    async def look(source: HclTestServer, _: HclConnection, now: datetime) -> Finding:
        seen = await glance(ask(source, now), pages=None)
        shown = f"{len(seen.records)} {what}"
        if seen.complete:
            return seen.finding(shown)
        reason = seen.note or "the server says that there are more"
        return seen.finding(f"{shown}; {reason}", state="partial", advice=advice)

    return look


async def execution_logs(source: HclTestServer, connection: HclConnection, now: datetime) -> Finding:
    """The log of one recent failed execution."""
    if not connection.execution_logs:
        return Finding("off", "execution_logs = false")
    recent = await glance(source.executions(now - _RECENT, now), pages=None)
    for page in recent.pages:
        for execution in map(msgspec.json.Decoder(Execution).decode, page.records):
            if execution.status in FAILED and isinstance(page.place, ProjectPlace):
                failed = FailedExecution(execution.id, page.place._project_id)
                await glance(source.execution_logs([failed]))
                return recent.finding("the log of a recent failed execution can be asked for")
    return recent.finding("no failed execution of the last 24 hours to ask for")


PROBES = (
    Probe(
        EXECUTIONS,
        _listing(
            lambda source, now: source.executions(now - _RECENT, now),
            "ended in the last 24 hours",
            _OF_PROJECTS,
        ),
    ),
    Probe(EXECUTION_LOGS, execution_logs),
    Probe(
        LIVE_EXECUTIONS,
        _listing(lambda source, _: source.live_executions(), "executions are active", _OF_PROJECTS),
    ),
    Probe(AGENTS, _listing(lambda source, _: source.agents(), "agents", _OF_SERVER)),
    Probe(DOCKER_HOSTS, _listing(lambda source, _: source.docker_hosts(), "docker hosts", _OF_SERVER)),
    Probe(
        DOCKER_HOST_STATUS,
        _listing(lambda source, _: source.docker_host_status(), "states of docker hosts", _OF_SERVER),
    ),
)
