"""Writes rows as the lake lays them out: `<lake>/<source>/<table>/connection=<name>/dt=<day>/*.parquet`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .lake_schema import SCHEMAS

FETCHED_AT = datetime(2026, 3, 10, 12, tzinfo=UTC)


def write_schema_files(lake: Path) -> None:
    """The zero-row file that every table of the lake holds, so that an empty table can be queried."""
    for (source, table), schema in SCHEMAS.items():
        _write(
            lake / source / table / "connection=_" / "dt=1970-01-01" / "schema.parquet", schema.empty_table()
        )


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
    schema = pa.schema([field for field in SCHEMAS[source, table] if field.name not in absent])
    filled = [{"_fetched_at": FETCHED_AT, **row} for row in rows]
    for row in filled:
        if unknown := row.keys() - set(schema.names):
            raise KeyError(f"{source}.{table} has no column {sorted(unknown)}")
    path = lake / source / table / f"connection={connection}" / f"dt={day}" / "data.parquet"
    _write(path, pa.Table.from_pylist(filled, schema=schema))


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
