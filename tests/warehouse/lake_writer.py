"""Writes rows as the lake lays them out: `<lake>/<source>/<table>/connection=<name>/dt=<day>/*.parquet`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.defs.sources import contracts
from pipelines.lib import lake_files
from pipelines.lib.ingest_partitions import INGEST_PARTITIONS

FETCHED_AT = datetime(2026, 3, 10, 12, tzinfo=UTC)

TABLES = {
    (table.source, table.name): table
    for table in (INGEST_PARTITIONS, *(table for contract in contracts() for table in contract.TABLES))
}


def write_schema_files(lake: Path) -> None:
    """What ingestion writes for every table, so that an empty one can be queried."""
    lake.mkdir(parents=True, exist_ok=True)
    lake_files.write_schemas(lake, *TABLES.values())


def write_rows(
    lake: Path,
    source: str,
    table: str,
    connection: str,
    day: str,
    rows: Iterable[Mapping[str, Any]],
    *,
    without: Iterable[str] = (),
) -> None:
    """One partition. Columns that a row does not name are null; `without` leaves columns out of the file."""
    absent = set(without)
    schema = pa.schema([field for field in TABLES[source, table].schema if field.name not in absent])
    filled = [{"_fetched_at": FETCHED_AT, **row} for row in rows]
    for row in filled:
        if unknown := row.keys() - set(schema.names):
            raise KeyError(f"{source}.{table} has no column {sorted(unknown)}")
    path = lake / source / table / f"connection={connection}" / f"dt={day}" / "data.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(filled, schema=schema), path, compression="zstd")
