"""Checks of every table that is read: whether it is late, whether rounds are missing, whether something vanished.

They warn, and stop no publication: old data is still data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg

from pipelines.defs.sources import contracts
from pipelines.lib import lateness
from pipelines.lib.contract import Table
from pipelines.lib.http import utc_now
from pipelines.lib.lateness import Gap, Gone, Late
from pipelines.settings import Settings, load_connections

MOST_NAMED = 10
LISTINGS = {("perfecto_lab", "devices"), ("hcl_test_server", "agents")}
"""Tables whose rounds list things that do not come and go by themselves."""


def _checks_of(table: Table) -> Iterator[tuple[str, str]]:
    yield "fresh", "Warns of a connection of which nothing new is known for too long, and says what to do."
    if table.kind == "snapshot":
        yield "no_gaps", "Warns of times of the last day in which rounds of observations are missing."
    if (table.source, table.name) in LISTINGS:
        yield "none_vanished", "Warns of what was listed in the last week and has not been for an hour."


TABLES = [(contract.KIND, table) for contract in contracts() for table in contract.TABLES]


@dg.multi_asset_check(
    name="lateness",
    specs=[
        dg.AssetCheckSpec(name, asset=[table.source, table.name], description=description)
        for _, table in TABLES
        for name, description in _checks_of(table)
    ],
)
def checks_of_lateness() -> Iterator[dg.AssetCheckResult]:
    settings, now = Settings(), utc_now()
    connections = load_connections(settings).all
    for kind, table in TABLES:
        names = [name for name, connection in connections.items() if connection.kind == kind]
        for check, _ in _checks_of(table):
            if check == "fresh":
                findings: Sequence[Late | Gap | Gone] = lateness.late(settings.lake, table, names, now)
            elif check == "no_gaps":
                findings = [
                    gap for gap in lateness.gaps(settings.lake, table, now) if gap.connection in names
                ]
            else:
                findings = [
                    thing for thing in lateness.gone(settings.lake, table) if thing.connection in names
                ]
            yield _result(table, check, {finding.key: str(finding) for finding in findings})


def _result(table: Table, check: str, findings: dict[str, str]) -> dg.AssetCheckResult:
    lines = list(findings.values())
    more = [f"and {len(lines) - MOST_NAMED} more"] if len(lines) > MOST_NAMED else []
    return dg.AssetCheckResult(
        asset_key=[table.source, table.name],
        check_name=check,
        passed=not findings,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join([*lines[:MOST_NAMED], *more]) or None,
        metadata={"findings": findings},
    )


check_job = dg.define_asset_job(
    "check_lateness",
    selection=dg.AssetSelection.checks(checks_of_lateness),
    description="Looks for what is late, missing or gone, in the lake's own data.",
)

every_quarter_of_an_hour = dg.ScheduleDefinition(
    name="check_lateness_every_quarter_of_an_hour",
    job=check_job,
    cron_schedule="8-59/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
