"""How `flakehouse doctor` looks at an Enterprise Tester server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec

from pipelines.defs.sources.enterprise_tester.client import EnterpriseTester, client
from pipelines.defs.sources.enterprise_tester.contract import (
    EXECUTION_PACKAGES,
    PROJECTS,
    SCRIPT_ASSIGNMENTS,
    SCRIPT_RUNS,
)
from pipelines.lib.answer import Answer
from pipelines.lib.probing import Finding, Probe, glance
from pipelines.settings import EnterpriseTesterConnection

__all__ = ["PROBES", "client"]

_ADVICE = (
    "give the user the right to view executions (TestManagement/ManageExecutions/View) in every project, and look"
    " again when the server is not rebuilding its search index"
)


class _Identified(msgspec.Struct, rename="pascal"):
    id: str = ""


def _listing(ask: Callable[[EnterpriseTester], Answer], what: str) -> Callable[..., Awaitable[Finding]]:
    """A whole listing: only its end tells whether as many came as the server counts."""

    async def look(source: EnterpriseTester, _: EnterpriseTesterConnection, __: datetime) -> Finding:
        seen = await glance(ask(source), pages=None)
        if not seen.complete:
            return seen.finding(seen.note or "not listed in full", state="partial", advice=_ADVICE)
        return seen.finding(
            f"{len(seen.records)} {what}", state="ok" if seen.records else "partial", advice=_ADVICE
        )

    return look


async def script_runs(source: EnterpriseTester, _: EnterpriseTesterConnection, __: datetime) -> Finding:
    """The runs of one assignment."""
    assignments = await glance(source.script_assignments())
    found = [record.id for record in map(msgspec.json.Decoder(_Identified).decode, assignments.records)]
    if not found:
        return assignments.finding("no assignment is visible", state="partial", advice=_ADVICE)
    await glance(source.runs_of(found[0]))
    return assignments.finding("the runs of an assignment can be read")


PROBES = (
    Probe(SCRIPT_RUNS, script_runs),
    Probe(PROJECTS, _listing(lambda source: source.projects(), "projects")),
    Probe(EXECUTION_PACKAGES, _listing(lambda source: source.execution_packages(), "execution packages")),
    Probe(SCRIPT_ASSIGNMENTS, _listing(lambda source: source.script_assignments(), "assignments")),
)
