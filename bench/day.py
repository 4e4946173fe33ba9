# ruff: noqa: S608  every name in these statements is a model's or a contract's own
"""A day added to a year of history against a day added to a month of it: fact rows read and written, and seconds.

The history is that of a lake that exists (`--lake`, a month or more of it), its last days repeated backwards with
other ids and other times. What has no past in it, devices, agents, assignments and landings, is repeated from its
newest day, device lists and reservations with a round an hour. Both histories end on the same day, and the same next
days are added to both, one by one, each with a build.

A row is read when it leaves the scan of a table in a query of a model or a test that the build made; the queries are
run again for that. What looks over all days reads daily rows, which are counted apart.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import duckdb

from bench.measuring import show
from pipelines.defs.warehouse.folders import Folders

MONTH, YEAR = 30, 365
ADDED = 3

DAILY = {
    "fct_assignment_days",
    "fct_attempt_days",
    "fct_build_days",
    "fct_connection_days",
    "fct_device_days",
    "fct_device_descriptions",
    "fct_device_sightings",
    "fct_failure_days",
    "fct_failure_message_days",
    "fct_landing_days",
    "fct_reservation_observations",
    "fct_result_days",
    "fct_test_days",
}
"""Of which a day has a row per test, build, device or failure, however often it ran or was looked at."""


@dataclass(frozen=True)
class Repeated:
    """A table of the lake, and what of its rows is another on another day."""

    source: str
    table: str
    ids: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()  # of builds: another round of the history has others
    rounds: int = 1  # a day: of what is looked at again and again

    def is_taken(self, share: float) -> str:
        """Children with their parents."""
        return f"hash({self.ids[0]}) % 1000 < {share * 1000}" if self.ids else "true"

    def columns(self) -> Iterator[str]:
        """As on the day for which a row is taken; answered within that day."""
        shift = "to_days(cast(wanted - cast(dt as date) as int))"
        for name in self.ids:
            yield f"{name} || '-' || round as {name}"
        for name in self.times:
            yield f"{name} + {shift} as {name}"
        for name in self.numbers:
            yield f"{name} + 100000 * (round + 1) as {name}"
        if self.rounds > 1:
            yield "cast(wanted as timestamptz) + to_hours(cast(number as int)) as _fetched_at"
            yield f"{86_400 // self.rounds} as _interval_seconds"
        else:
            yield f"least(_fetched_at + {shift}, cast(wanted as timestamptz) + interval '23 hours 59 minutes') as _fetched_at"


TABLES = (
    Repeated("perfecto_reporting", "test_executions", ("id",), ("start_time", "end_time"), ("job_number",)),
    Repeated("perfecto_reporting", "platforms", ("test_execution_id",)),
    Repeated(
        "perfecto_reporting",
        "commands",
        ("test_execution_id",),
        ("start_time", "end_time", "step_start_time", "step_end_time"),
    ),
    Repeated("hcl_test_server", "executions", ("id",), ("start_date", "completion_date")),
    Repeated("hcl_test_server", "agents", (), ("contact_time",), rounds=24),
    Repeated("enterprise_tester", "script_runs", ("id",), ("created_at", "last_updated_at")),
    Repeated("enterprise_tester", "step_results", ("run_id",)),
    Repeated("enterprise_tester", "script_assignments"),
    Repeated("enterprise_tester", "projects"),
    Repeated("perfecto_lab", "devices", rounds=24),
    Repeated("flakehouse", "ingest_partitions", (), ("started_at",)),
)


@dataclass(frozen=True)
class Added:
    """What the builds after a day was added took: of seconds the median, of rows those of the last."""

    facts_read: int
    facts_written: int
    facts_tested: int
    daily_read: int
    seconds: float
    copy_seconds: float
    cpu_seconds: float
    file_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--share", type=float, default=1.0, help="of the lake's test runs that are taken")
    parser.add_argument("--days", type=int, nargs=2, default=(MONTH, YEAR))
    parser.add_argument("--added", type=int, default=ADDED, help="days added, one by one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flakehouse-day-") as folder:
        short, long = (
            _added(Path(folder) / str(days), asked.lake, days, asked.share, asked.added)
            for days in asked.days
        )
    show(
        "A day added",
        ("to days of history", *map(str, asked.days), "ratio"),
        [
            _row("fact rows read", short.facts_read, long.facts_read),
            _row("fact rows written", short.facts_written, long.facts_written),
            _row("fact rows read by tests", short.facts_tested, long.facts_tested),
            _row("daily rows read", short.daily_read, long.daily_read),
            _row("seconds, without copies", short.seconds, long.seconds),
            _row("seconds of copies", short.copy_seconds, long.copy_seconds),
            _row("CPU seconds, copies included", short.cpu_seconds, long.cpu_seconds),
            _row("database, MB", short.file_bytes / 1e6, long.file_bytes / 1e6),
        ],
    )


def _added(folder: Path, lake: Path, days: int, share: float, added: int) -> Added:
    home, made = folder / "home", folder / "lake"
    repeat(lake, made, days, share)
    _build(home, made)
    seconds, copies, cpu = [], [], []
    for ahead in range(1, added + 1):
        repeat(lake, made, 1, share, ahead)
        began, cpu_began = time.monotonic(), _cpu_seconds()
        _build(home, made)
        cpu.append(_cpu_seconds() - cpu_began)
        copies.append(_copy_seconds(home))
        seconds.append(time.monotonic() - began - copies[-1])
    folders = Folders(home)
    rows = _rows(folders)
    return Added(*rows, median(seconds), median(copies), median(cpu), folders.published.stat().st_size)


def repeat(lake: Path, target: Path, days: int, share: float, ahead: int = 0) -> None:
    """`days` partitions up to the lake's last day, `ahead` days later, from as many days as the lake has."""
    last = max(_days_of(lake / "perfecto_reporting" / "test_executions"))
    first_wanted, last_wanted = last + timedelta(days=ahead + 1 - days), last + timedelta(days=ahead)
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'; set preserve_insertion_order = false")
        for table in TABLES:
            held = _days_of(lake / table.source / table.table)
            span, behind = (held[-1] - held[0]).days + 1, (last - held[-1]).days
            columns = ", ".join(table.columns())
            database.execute(
                f"""
                create or replace temp view made as
                select * replace ({columns}) from (
                    select held.*, round, number, cast(dt as date) + cast({behind} - round * {span} as int) as wanted
                    from read_parquet('{lake / table.source / table.table}/connection=*/dt=2*/*.parquet',
                        hive_partitioning = true, hive_types_autocast = false, union_by_name = true) as held
                    cross join range({-ahead}, {days // span + 2}) as rounds(round)
                    cross join range({table.rounds}) as looks(number)
                )
                where wanted between date '{first_wanted}' and date '{last_wanted}' and {table.is_taken(share)}
                """
            )
            _write(
                database,
                "select * exclude (round, number, dt, wanted), wanted as dt from made",
                target / table.source / table.table,
            )
            if table.table == "devices":
                _write(database, RESERVATIONS, target / "perfecto_lab" / "reservations")


RESERVATIONS = """
    select distinct
        device_id || '-' || wanted as id, device_id as resource_id, _fetched_at, _interval_seconds, connection,
        cast(wanted as timestamptz) + interval 8 hour as start_time_millis,
        cast(wanted as timestamptz) + interval 10 hour as end_time_millis,
        wanted as dt
    from made
"""
"""Each listed device for two hours of each day."""


def _write(database: duckdb.DuckDBPyConnection, query: str, table: Path) -> None:
    table.mkdir(parents=True, exist_ok=True)
    database.execute(
        f"copy ({query}) to '{table}'"
        " (format parquet, compression zstd, partition_by (connection, dt), overwrite_or_ignore true)"
    )


def _days_of(table: Path) -> list[date]:
    partitions = {folder.name for folder in table.glob("connection=*/dt=2*") if any(folder.iterdir())}
    return sorted(date.fromisoformat(name.partition("=")[2]) for name in partitions)


def _build(home: Path, lake: Path) -> None:
    environment = os.environ | {"FLAKEHOUSE_HOME": str(home), "FLAKEHOUSE_LAKE": str(lake)}
    subprocess.run([sys.executable, "-m", "pipelines.cli", "build"], env=environment, check=True)


def _cpu_seconds() -> float:
    """Of the builds so far, which a crowded machine does not lengthen."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _copy_seconds(home: Path) -> float:
    """Of the begin and of the publication, as the newest build's log says them."""
    logs = (home / "dagster" / "logs").glob("build-*.log")
    log = max(logs, key=lambda path: path.stat().st_mtime).read_text()
    copies = re.findall(r"(?:copied|exported) in ([0-9.]+) s", log)
    if len(copies) != 2:
        raise RuntimeError("the last build was not continued from the one before it")
    return sum(map(float, copies))


def _rows(folders: Folders) -> tuple[int, int, int, int]:
    """Of facts that models read, of facts that the build made, of facts that tests read, and daily rows."""
    manifest = json.loads((folders.dbt_target / "manifest.json").read_text())
    read = written = tested = daily = 0
    copy = shutil.copy(folders.build_database, folders.home / folders.build_database.name)
    with duckdb.connect(copy) as database:
        database.execute("pragma enable_profiling = 'no_output'; set timezone = 'UTC'")
        database.execute("set default_null_order = 'nulls_first_on_asc_last_on_desc'")
        for node in manifest["nodes"].values():
            query = _query(folders, node)
            if query is None:
                continue
            scanned = dict(_scanned(database, query))
            facts = sum(rows for table, rows in scanned.items() if table not in DAILY)
            daily += sum(rows for table, rows in scanned.items() if table in DAILY)
            if node["resource_type"] == "test":
                tested += facts
                continue
            read += facts
            if node["name"].startswith("fct_"):
                written += _rows_made(database, node)
    return read, written, tested, daily


def _query(folders: Folders, node: dict) -> str | None:
    """What the last build made of a model's or a test's text; none of what reads no facts."""
    place = Path(node["original_file_path"])
    if node["resource_type"] == "test" and place.suffix != ".sql":
        place /= node["path"]
    elif node["resource_type"] != "test" and node["fqn"][1] not in ("core", "marts"):
        return None
    compiled = folders.dbt_target.glob(f"*/compiled/flakehouse/{place}")
    newest = max(compiled, key=lambda path: path.stat().st_mtime, default=None)
    return newest.read_text() if newest else None


def _scanned(database: duckdb.DuckDBPyConnection, query: str) -> dict[str, int]:
    """Rows that leave the scans of each table of facts, their filters applied."""
    ((_, plan),) = database.execute(f"explain (analyze, format json) {query}").fetchall()
    scanned: dict[str, int] = {}

    def add(operator: dict) -> None:
        table = operator.get("extra_info", {}).get("Table", "").rpartition(".")[2]
        if table.startswith("fct_"):
            scanned[table] = scanned.get(table, 0) + operator["operator_cardinality"]
        for child in operator.get("children", []):
            add(child)

    add(json.loads(plan))
    return scanned


def _rows_made(database: duckdb.DuckDBPyConnection, node: dict) -> int:
    meta = node["config"]["meta"]
    days = (
        f"where {meta['day']} in (select day from build.{meta.get('days', 'touched_days')})"
        if meta.get("day")
        else ""
    )
    (rows,) = database.sql(f"select count(*) from core.{node['name']} {days}").fetchone()
    return rows


def _row(name: str, short: float, long: float) -> list[str]:
    shown = ("{:,.0f}" if isinstance(short, int) else "{:,.1f}").format
    return [name, shown(short), shown(long), f"{long / short:.2f}" if short else ""]


if __name__ == "__main__":
    main()
