# ruff: noqa: S608  every name in these statements is a model's or a contract's own
"""A day added to a year of history against a day added to a month of it: fact rows read and written, and seconds.

The history is that of a lake that exists (`--lake`, a month or more of it), its last days repeated backwards with
other ids and other times. Both histories end on the same day, and the same next day is added to both.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from bench.measuring import show
from pipelines.defs.warehouse.folders import Folders

TABLES = {  # by source: table, columns that hold ids, columns that hold times
    ("perfecto_reporting", "test_executions"): (("id",), ("start_time", "end_time", "_fetched_at")),
    ("perfecto_reporting", "platforms"): (("test_execution_id",), ("_fetched_at",)),
    ("perfecto_reporting", "commands"): (
        ("test_execution_id",),
        ("start_time", "end_time", "step_start_time", "step_end_time", "_fetched_at"),
    ),
}
MONTH, YEAR = 30, 365


@dataclass(frozen=True)
class Added:
    """What the build after a day was added took."""

    rows_read: int
    rows_written: int
    seconds: float
    copy_seconds: float
    file_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--share", type=float, default=1.0, help="of the lake's test runs that are taken")
    parser.add_argument("--days", type=int, nargs=2, default=(MONTH, YEAR))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flakehouse-day-") as folder:
        added = [_added(Path(folder) / str(days), asked.lake, days, asked.share) for days in asked.days]
    short, long = added
    show(
        "A day added",
        ("to days of history", *map(str, asked.days), "ratio"),
        [
            _row("fact rows read", short.rows_read, long.rows_read),
            _row("fact rows written", short.rows_written, long.rows_written),
            _row("seconds, without copies", short.seconds, long.seconds),
            _row("seconds of copies", short.copy_seconds, long.copy_seconds),
            _row("database, MB", short.file_bytes / 1e6, long.file_bytes / 1e6),
        ],
    )


def _added(folder: Path, lake: Path, days: int, share: float) -> Added:
    home, made = folder / "home", folder / "lake"
    repeat(lake, made, days, share)
    _build(home, made)
    repeat(lake, made, 1, share, ahead=1)
    began = time.monotonic()
    _build(home, made)
    seconds = time.monotonic() - began
    folders = Folders(home)
    copies = _copy_seconds(home)
    read, written = _fact_rows(folders)
    return Added(read, written, seconds - copies, copies, folders.published.stat().st_size)


def repeat(lake: Path, target: Path, days: int, share: float, ahead: int = 0) -> None:
    """`days` partitions up to the lake's last day, `ahead` days later, from as many days as the lake has."""
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        for (source, table), (ids, times) in TABLES.items():
            held = sorted((lake / source / table).glob("connection=*/dt=2*/data.parquet"))
            on = sorted({_day(file) for file in held})
            for number in range(days):
                wanted = on[-1] + timedelta(days=ahead - number)
                round_, place = divmod(number - ahead, len(on))
                origin = on[-1 - place]
                for file in (file for file in held if _day(file) == origin):
                    away = (wanted - origin).days
                    columns = ", ".join(
                        [f"{name} || '-{round_}' as {name}" for name in ids]
                        + [f"{name} + interval ({away}) day as {name}" for name in times]
                    )
                    path = target / file.relative_to(lake).parent.parent / f"dt={wanted}" / "data.parquet"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    database.execute(
                        f"copy (select * replace ({columns}) from read_parquet('{file}', hive_partitioning = false)"
                        f" where hash({ids[0]}) % 1000 < {share * 1000}) to '{path}' (format parquet, compression zstd)"
                    )


def _build(home: Path, lake: Path) -> None:
    environment = os.environ | {"FLAKEHOUSE_HOME": str(home), "FLAKEHOUSE_LAKE": str(lake)}
    subprocess.run([sys.executable, "-m", "pipelines.cli", "build"], env=environment, check=True)


def _copy_seconds(home: Path) -> float:
    """Of the begin and of the publication, as the newest build's log says them."""
    log = max(
        (home / "dagster" / "logs").glob("build-*.log"), key=lambda path: path.stat().st_mtime
    ).read_text()
    return sum(float(seconds) for seconds in re.findall(r"(?:copied|exported) in ([0-9.]+) s", log))


def _fact_rows(folders: Folders) -> tuple[int, int]:
    """Rows that the models' queries take from tables of facts, and rows of the facts that the build made."""
    manifest = json.loads((folders.dbt_target / "manifest.json").read_text())
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    read = written = 0
    with duckdb.connect(
        shutil.copy(folders.build_database, folders.home / folders.build_database.name)
    ) as database:
        database.execute("pragma enable_profiling = 'no_output'; set timezone = 'UTC'")
        database.execute("set default_null_order = 'nulls_first_on_asc_last_on_desc'")
        for node in models:
            compiled = folders.dbt_target / "compiled" / "flakehouse" / node["original_file_path"]
            if node["fqn"][1] not in ("core", "marts") or not compiled.exists():
                continue
            ((plan,),) = (
                row[1:]
                for row in database.execute(
                    f"explain (analyze, format json) {compiled.read_text()}"
                ).fetchall()
            )
            read += sum(_scanned(json.loads(plan)))
            if node["name"].startswith("fct_"):
                written += _rows_made(database, node)
    return read, written


def _scanned(plan: dict) -> list[int]:
    """Rows that leave the scan of each table of facts, its filters applied."""
    table = plan.get("extra_info", {}).get("Table", "")
    own = [plan["operator_cardinality"]] if ".core.fct_" in table else []
    return own + [rows for child in plan.get("children", []) for rows in _scanned(child)]


def _rows_made(database: duckdb.DuckDBPyConnection, node: dict) -> int:
    meta = node["config"]["meta"]
    days = (
        f"where {meta['day']} in (select day from build.{meta.get('days', 'touched_days')})"
        if meta.get("day")
        else ""
    )
    (rows,) = database.sql(f"select count(*) from core.{node['name']} {days}").fetchone()
    return rows


def _day(file: Path) -> date:
    return date.fromisoformat(file.parent.name.partition("=")[2])


def _row(name: str, short: float, long: float) -> list[str]:
    shown = ("{:,.0f}" if isinstance(short, int) else "{:,.1f}").format
    return [name, shown(short), shown(long), f"{long / short:.2f}" if short else ""]


if __name__ == "__main__":
    main()
