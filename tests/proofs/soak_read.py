"""What a lake says of the soak's reading: whether all was read, and when nothing was."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from pipelines.defs.sources import contracts
from pipelines.lib import landings
from pipelines.lib.clock import utc_now
from pipelines.lib.contract import Table
from tests.proofs import soak_world
from tests.proofs.deployment import CONNECTIONS
from tests.proofs.soak_labs import ROUNDS_EVERY_MINUTES


def tables(kind: str) -> list[tuple[Table, str]]:
    """Tables that a request lands, with their connection."""
    return [
        (table, CONNECTIONS[contract.KIND])
        for contract in contracts()
        for table in contract.TABLES
        if table.kind == kind and table.name != "execution_logs"
    ]


def is_all_read(lake: Path, time_: soak_world.Time, since: datetime) -> bool:
    """Every day that may have changed was read since then, and none before is still being prepared."""
    first = time_.first_day
    known = landings.newest_of_days(lake, first, utc_now())
    today = since.date()
    for table, connection in tables("window"):
        days = known.get((table.source, table.name, connection), {})
        for age in range((today - first).days + 1):
            found = days.get(today - timedelta(days=age))
            if found is None or (age <= 2 and found.at < since) or (age > 2 and found.is_due_again):
                return False
    return True


def gaps(
    lake: Path, table: Table, connection: str, since: datetime, to: datetime
) -> list[tuple[datetime, datetime]]:
    """Times of more than two intervals without a complete round."""
    rounds = [
        started
        for (started,) in landings.rows(
            lake,
            since.date(),
            """select distinct started_at from landings where source_name = $source and table_name = $table
               and connection = $connection and error is null and started_at between $since and $to order by all""",
            {"source": table.source, "table": table.name, "connection": connection, "since": since, "to": to},
        )
    ]
    assert rounds, f"{table.source}.{table.name} has no round"
    longest = timedelta(minutes=2 * ROUNDS_EVERY_MINUTES[connection], seconds=10)
    return [(a, b) for a, b in pairwise([since, *rounds, to]) if b - a > longest]
