"""How `flakehouse doctor` looks at a Perfecto cloud's reporting export."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from pipelines.defs.sources.perfecto_reporting.client import PerfectoReporting, Test, client
from pipelines.defs.sources.perfecto_reporting.contract import COMMANDS, TEST_EXECUTIONS
from pipelines.lib.probing import Finding, Glance, Probe, glance
from pipelines.settings import PerfectoConnection

__all__ = ["PROBES", "client"]

_RECENT = timedelta(days=1)


class _Identified(msgspec.Struct):
    id: str = ""


async def _recent(source: PerfectoReporting, now: datetime) -> Glance:
    return await glance(source.test_executions(now - _RECENT, now))


async def recent_tests(source: PerfectoReporting, _connection: PerfectoConnection, now: datetime) -> Finding:
    """The first page of the last day."""
    seen = await _recent(source, now)
    if seen.note:
        advice = "compare this machine's clock with the cloud's"
        return seen.finding(f"the last day is not answered for: {seen.note}", state="wrong", advice=advice)
    more = "" if seen.complete else " and more"
    return seen.finding(f"{len(seen.records)}{more} tests in the last 24 hours")


async def commands(source: PerfectoReporting, connection: PerfectoConnection, now: datetime) -> Finding:
    """The commands of one recent test."""
    if connection.commands == "none":
        return Finding("off", 'commands = "none"')
    recent = await _recent(source, now)
    tests = [found.id for found in map(msgspec.json.Decoder(_Identified).decode, recent.records) if found.id]
    if not tests:
        return recent.finding("the export answers; no test of the last 24 hours to ask for")
    await glance(source.commands([Test(tests[-1], "")]))
    return recent.finding("the commands of a recent test can be read")


PROBES = (Probe(TEST_EXECUTIONS, recent_tests), Probe(COMMANDS, commands))
