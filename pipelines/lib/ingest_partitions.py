"""Our own runs as a table of the lake, `flakehouse.ingest_partitions`: what every landing asked, brought and took."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from pipelines.lib import landing
from pipelines.lib.answer import Answer, Page
from pipelines.lib.clock import Clock, utc_now
from pipelines.lib.contract import Instant, Table
from pipelines.lib.lake_files import LakeError
from pipelines.lib.landing import Landed, PartlyLanded
from pipelines.lib.redaction import Redaction
from pipelines.lib.source_errors import SourceError

ONLY_CHANGES = "only what changed meanwhile; what is held stays"
"""Note of a landing that came along with another day's: the day as a whole was not asked for."""


class IngestPartition(msgspec.Struct, gc=False):
    source_name: str
    table_name: str
    table_kind: str  # window, snapshot
    started_at: Instant
    day: str | None = None  # the UTC day that was asked for; none for an observation
    run_id: str | None = None  # Dagster's
    seconds: float | None = None  # of the whole landing, which a table shares with its children
    requests: int | None = None  # of the whole landing, on the row of the table that was asked for
    retries: int | None = None
    pages: int | None = None
    rows: int | None = None  # in the partition after it, or in the observation
    received: int | None = None
    added: int | None = None
    changed: int | None = None
    missing: int | None = None  # newly
    duplicates: int | None = None
    rejected: int | None = None
    undeclared_fields: list[str] | None = None
    is_rewritten: bool | None = None
    is_complete: bool | None = None
    is_due_again: bool | None = None  # the source was still preparing what it told
    note: str | None = None
    error: str | None = None  # the line that says why nothing landed, or not all


INGEST_PARTITIONS = Table(
    source="flakehouse",
    name="ingest_partitions",
    kind="snapshot",
    description="One row per landing and table: a day of a window table that was asked for, or one observation.",
    record=IngestPartition,
    key=("source_name", "table_name"),
    redaction=Redaction(),
)


async def noted(
    root: str | Path,
    table: Table,
    connection: str,
    answer: Answer,
    landing_of_it: Awaitable[dict[str, Landed]],
    *,
    day: date | None = None,
    interval_seconds: int | None = None,
    run_id: str | None = None,
    clock: Clock = utc_now,
) -> dict[str, Landed]:
    """What the landing brings, written down; of one that failed, why."""
    began = time.monotonic()
    common = {
        "started_at": clock().isoformat(),
        "day": day.isoformat() if day else None,
        "run_id": run_id,
    }
    try:
        results, failure = await landing_of_it, None
    except PartlyLanded as partly:
        results, failure = partly.landed, partly
    except Exception as error:
        # What others say may quote what came.
        common["error"] = str(error) if isinstance(error, (SourceError, LakeError)) else type(error).__name__
        seconds = time.monotonic() - began
        rows = [
            _failed(each, answer.facts if each is table else {}, seconds, common) for each in table.tables
        ]
        await _write(root, connection, rows, interval_seconds, clock)
        raise
    common["error"] = answer.failure
    rows = [
        _row(each, results[each.name], answer.facts if each is table else {}, common) for each in table.tables
    ]
    await _write(root, connection, rows, interval_seconds, clock)
    if failure:
        raise failure
    return results


def _failed(table: Table, facts: dict[str, Any], seconds: float, common: dict[str, Any]) -> IngestPartition:
    return IngestPartition(
        source_name=table.source,
        table_name=table.name,
        table_kind=table.kind,
        seconds=seconds,
        requests=facts.get("requests"),
        retries=facts.get("retries"),
        is_complete=False,
        **common,
    )


def _row(table: Table, landed: Landed, facts: dict[str, Any], common: dict[str, Any]) -> IngestPartition:
    return IngestPartition(
        source_name=table.source,
        table_name=table.name,
        table_kind=table.kind,
        seconds=landed.seconds,
        requests=facts.get("requests"),
        retries=facts.get("retries"),
        pages=facts.get("pages"),
        rows=landed.rows,
        received=landed.received,
        added=landed.added,
        changed=landed.changed,
        missing=landed.missing,
        duplicates=landed.duplicates,
        rejected=landed.rejected,
        undeclared_fields=sorted(landed.undeclared),
        is_rewritten=landed.is_rewritten,
        is_complete=landed.complete,
        is_due_again=landed.facts.get("is_due_again", False),
        note=landed.note,
        **common,
    )


async def _write(
    root: str | Path,
    connection: str,
    rows: list[IngestPartition],
    interval_seconds: int | None,
    clock: Clock,
) -> None:
    now = clock()

    async def pages(_answer: Answer) -> AsyncGenerator[Page]:
        yield Page([msgspec.json.encode(row) for row in rows], now)

    await landing.append(root, INGEST_PARTITIONS, connection, Answer(pages, now), interval_seconds)
