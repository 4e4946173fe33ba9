"""Where reports lie, and how one is put there: written aside and renamed, so that no reader meets half of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb


def write_report(warehouse: Path, folder: Path, now: datetime) -> Path:
    """Writes the report on the published warehouse; of one day the last one stays."""
    # What draws charts takes a second to import, and every run of anything at all imports this module.
    from pipelines.report import page

    published_at = datetime.fromtimestamp(warehouse.stat().st_mtime, UTC)
    with duckdb.connect(warehouse, read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        text = page.written(connection, published_at)
    folder.mkdir(parents=True, exist_ok=True)
    file = report_of(folder, now)
    unfinished = file.with_name(f".{file.name}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(file)
    return file


def report_of(folder: Path, now: datetime) -> Path:
    """The report of this UTC day."""
    return folder / f"test-review-{now.astimezone(UTC):%Y-%m-%d}.html"
