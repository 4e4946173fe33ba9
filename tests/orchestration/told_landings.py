"""Rows of `flakehouse.ingest_partitions` as past landings would have left them, and a connections file."""

from __future__ import annotations

import secrets
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.lib.ingest_partitions import INGEST_PARTITIONS, IngestPartition

PERFECTO = """[perfecto.{name}]
app_url = "http://127.0.0.1:1"
token = "t"
snapshot_every_minutes = {minutes}
read_every_minutes = {read}
"""
HCL = '[hcl.{name}]\nurl = "http://127.0.0.1:1/rest"\noffline_token = "t"\nprojects = ["1"]\n'


def perfecto(name: str, minutes: int = 5, read: int = 60) -> str:
    return PERFECTO.format(name=name, minutes=minutes, read=read)


def hcl(name: str) -> str:
    return HCL.format(name=name)


def tell(lake: Path, connection: str, *rows: IngestPartition, interval_seconds: int | None = None) -> None:
    """Writes these rows, in the day of the first one's start."""
    moments = [datetime.fromisoformat(row.started_at) for row in rows]
    records = [
        {
            **msgspec.structs.asdict(row),
            "started_at": at,
            "_fetched_at": at,
            "_interval_seconds": interval_seconds,
        }
        for row, at in zip(rows, moments, strict=True)
    ]
    folder = Path(lake, INGEST_PARTITIONS.source, INGEST_PARTITIONS.name, f"connection={connection}")
    file = folder / f"dt={moments[0].date()}" / f"{secrets.token_hex(8)}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(records, INGEST_PARTITIONS.schema), file)


def day_landed(source: str, table: str, day: date, at: datetime, **facts: Any) -> IngestPartition:
    known = {"seconds": 1.0, "requests": 1, "rows": 5, "is_complete": True, "is_rewritten": False} | facts
    return IngestPartition(source, table, "window", at.isoformat(), day=day.isoformat(), **known)


def looked(source: str, table: str, at: datetime, **facts: Any) -> IngestPartition:
    known = {"seconds": 1.0, "requests": 1, "rows": 5, "is_complete": True, "is_rewritten": True} | facts
    return IngestPartition(source, table, "snapshot", at.isoformat(), **known)
