"""How `flakehouse doctor` looks at a Perfecto cloud's device management and older services."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from pipelines.defs.sources.perfecto_lab.client import PerfectoLab, client
from pipelines.defs.sources.perfecto_lab.contract import DEVICES, RESERVATIONS, SCRIPT_EXECUTIONS
from pipelines.lib.answer import Answer
from pipelines.lib.probing import Finding, Probe, glance
from pipelines.settings import PerfectoConnection

__all__ = ["PROBES", "client"]


async def devices(source: PerfectoLab, _connection: PerfectoConnection, _now: datetime) -> Finding:
    """All devices, in whichever dialect the cloud speaks."""
    answer = source.devices()
    seen = await glance(answer, pages=None)
    dialect = answer.facts["dialect"].upper()
    if not seen.records:
        advice = "give the token's user a role that sees the lab's devices"
        return seen.finding(f"no device is visible ({dialect})", state="partial", advice=advice)
    return seen.finding(f"{len(seen.records)} devices ({dialect})")


def _of_services(
    ask: Callable[[PerfectoLab, PerfectoConnection], Answer], what: str
) -> Callable[..., Awaitable[Finding]]:
    async def look(source: PerfectoLab, connection: PerfectoConnection, _: datetime) -> Finding:
        if connection.services_url is None:
            return Finding("off", "services_url is not set")
        seen = await glance(ask(source, connection), pages=None)
        if seen.note:
            advice = "make the token's user an administrator of the lab"
            return seen.finding(f"{len(seen.records)} {what}; {seen.note}", state="partial", advice=advice)
        return seen.finding(f"{len(seen.records)} {what}")

    return look


PROBES = (
    Probe(DEVICES, devices),
    Probe(RESERVATIONS, _of_services(lambda source, _: source.reservations(), "reservations around now")),
    Probe(
        SCRIPT_EXECUTIONS,
        _of_services(
            lambda source, connection: source.script_executions(connection.snapshot_every_minutes * 60),
            "script executions run or have just completed",
        ),
    ),
)
