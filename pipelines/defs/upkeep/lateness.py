"""Checks of every table that is read: whether it is late, whether rounds are missing, whether something vanished.

They warn, and stop no publication: old data is still data. All of them are on one asset's page, and none is run along
with what reads the tables.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode

import dagster as dg

from pipelines.defs.sources import contracts
from pipelines.defs.upkeep.cadence import TAG
from pipelines.lib import lateness
from pipelines.lib.clock import utc_now
from pipelines.lib.contract import Table
from pipelines.lib.lateness import Found
from pipelines.orchestration.instance import note_worker
from pipelines.settings import Settings, usable_connections

KEY = dg.AssetKey(["lake", "lateness"])
LISTINGS = {("perfecto_lab", "devices"), ("hcl_test_server", "agents")}
"""Tables whose rounds list things that do not come and go by themselves."""

MOST_NAMED = 10
_DESCRIPTIONS = {
    "fresh": "Warns of a connection of which nothing new is known for too long, and says what to do.",
    "no_gaps": "Warns of times of the last day in which rounds of observations are missing.",
    "none_vanished": "Warns of what was listed in the last week and has not been for an hour.",
}
_TABLES = [(contract.KIND, table) for contract in contracts() for table in contract.TABLES]


def _checks_of(table: Table) -> Iterator[str]:
    yield "fresh"
    if table.kind == "snapshot":
        yield "no_gaps"
    if (table.source, table.name) in LISTINGS:
        yield "none_vanished"


def _name(table: Table, check: str) -> str:
    return f"{table.source}__{table.name}__{check}"


@dg.asset(
    key=KEY,
    group_name="lake",
    kinds={"python"},
    check_specs=[
        dg.AssetCheckSpec(_name(table, check), asset=KEY, description=_DESCRIPTIONS[check])
        for _, table in _TABLES
        for check in _checks_of(table)
    ],
)
def late_and_missing(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """What is late, missing or gone, as the lake's own data tells it: below, each with its reason and what to do.

    *Checks* leads from each to its table and to the runs that read it. Begin here when a number is missing.
    """
    note_worker(context.instance, context.run)
    settings, now = Settings(), utc_now()
    connections = usable_connections(settings).connections.all
    results = []
    for kind, table in _TABLES:
        names = {
            name: timedelta(minutes=connection.read_every_minutes)
            for name, connection in sorted(connections.items())
            if connection.kind == kind
        }
        for check in _checks_of(table):
            if check == "fresh":
                findings: Sequence[Found] = lateness.late(settings.lake, table, names, now)
            elif check == "no_gaps":
                findings = lateness.gaps(settings.lake, table, now)
            else:
                findings = lateness.gone(settings.lake, table, now)
            found = [finding for finding in findings if finding.connection in names]
            results.append(_result(table, check, found, settings.ui_url, now))
    said = {
        result.check_name.replace("__", ".", 1): dg.MetadataValue.text(result.description or "")
        for result in results
        if not result.passed
    }
    return dg.MaterializeResult(check_results=results, metadata={"not_passed": len(said), **said})


def _result(
    table: Table, check: str, found: Sequence[Found], ui_url: str, now: datetime
) -> dg.AssetCheckResult:
    findings = {finding.key: str(finding) for finding in found}
    lines = list(findings.values())
    more = [f"and {len(lines) - MOST_NAMED} more"] if len(lines) > MOST_NAMED else []
    runs = {
        f"runs of {connection}": dg.MetadataValue.url(_runs(table, connection, ui_url, now))
        for connection in sorted({finding.connection for finding in found})[:MOST_NAMED]
    }
    return dg.AssetCheckResult(
        asset_key=KEY,
        check_name=_name(table, check),
        passed=not findings,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join([*lines[:MOST_NAMED], *more]) or None,
        metadata={
            "table": dg.MetadataValue.asset(dg.AssetKey([table.source, table.name])),
            **runs,
            "findings": findings,
        },
    )


def _runs(table: Table, connection: str, ui_url: str, now: datetime) -> str:
    """The page of the runs that read the table: rounds, or today."""
    what = f"snapshot/{connection}"
    if table.kind == "window":
        what = f"window/{table.source}/{connection}/{now.date()}"
    return f"{ui_url}/runs?{urlencode({'q[0]': f'tag:{TAG}={what}'})}"


check_job = dg.define_asset_job(
    "check_lateness",
    selection=[late_and_missing],
    description="Looks for what is late, missing or gone, in the lake's own data.",
)

every_quarter_of_an_hour = dg.ScheduleDefinition(
    name="check_lateness_every_quarter_of_an_hour",
    job=check_job,
    cron_schedule="8-59/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    tags={"dagster/priority": "15"},  # when the queue is long, something is late
)
