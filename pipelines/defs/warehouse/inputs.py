"""What of the lake a build reads: its partitions, each with a fingerprint that changes with its content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("source_name", pa.string()),
        ("table_name", pa.string()),
        ("connection", pa.string()),
        ("dt", pa.date32()),
        ("fingerprint", pa.string()),
    ]
)


def partitions(lake: Path) -> pa.Table:
    """One row per partition that models may read: names, sizes and times of change of its files, hashed.

    Ingestion leaves a partition alone whose content did not change, and otherwise renames a new file to its place.
    """
    rows = []
    for source in _folders(lake):
        for table in _folders(source.path):
            if table.name.endswith("__rejected"):
                continue
            for connection in _folders(table.path):
                for day in _folders(connection.path):
                    if fingerprint := _fingerprint(day.path):
                        rows.append(  # noqa: PERF401  a comprehension of five levels is no easier to read
                            {
                                "source_name": source.name,
                                "table_name": table.name,
                                "connection": connection.name.partition("=")[2],
                                "dt": date.fromisoformat(day.name.partition("=")[2]),
                                "fingerprint": fingerprint,
                            }
                        )
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _folders(parent: str | Path) -> Iterator[os.DirEntry[str]]:
    """Without those that are no reader's, such as `.landing`."""
    with os.scandir(parent) as entries:
        yield from (entry for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _fingerprint(partition: str) -> str | None:
    """None where it holds no file."""
    with os.scandir(partition) as entries:
        files = sorted(
            f"{entry.name} {entry.stat().st_size} {entry.stat().st_mtime_ns}"
            for entry in entries
            if entry.name.endswith(".parquet")
        )
    return hashlib.md5("\n".join(files).encode(), usedforsecurity=False).hexdigest() if files else None
