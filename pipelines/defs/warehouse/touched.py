# ruff: noqa: S608, ARG001  every name in these statements is a contract's own, or a parameter's: DuckDB reads those
"""Which days a build has to make anew, kept in the schema `build` of its database.

`lake_partitions` is what the build has read, by fingerprint; `lake_keys` is which record lies in which partition.
A day is touched when one of its partitions is new, changed or gone, of whatever table and connection; when it shares
a record with such a day, as a run whose start was corrected lies in two partitions, and only both together say which
one counts; and when it follows one, as an outage goes on over midnight. For the same reason the day before a touched
one is read, and not made anew.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.defs.sources import contracts
from pipelines.defs.warehouse import renamed
from pipelines.lib.contract import Table
from pipelines.lib.lake_files import LakeError

PARTITION = "source_name, table_name, connection, dt"

TIMES = {("hcl_test_server", "executions"): "coalesce(completion_date, start_date)"}
"""When a record happened, where no one column says it; `day_of` of the contract does for the others."""

NOTED = (
    "counted_days",
    "counted_read_days",
    "device_days",
    "reservation_days",
    "devices_before",
    "failures_before",
    "reservations_before",
    "sightings_before",
)
"""What models note of a build, once, before they make anything anew (`dbt/macros`): the next build begins without."""

CHANGED = f"""
    select {PARTITION} from build.lake_partitions anti join partitions using ({PARTITION}, fingerprint)
    union
    select {PARTITION} from partitions anti join build.lake_partitions using ({PARTITION}, fingerprint)
"""


def note_everything(database: duckdb.DuckDBPyConnection, lake: Path, partitions: pa.Table) -> None:
    """A build without a predecessor: every day is its own, and the next build continues from what it reads."""
    database.execute("create schema build")
    database.execute("create table build.lake_partitions as select * from partitions")
    renamed.note(database, lake)
    database.execute(
        "create table build.lake_keys (source_name text, table_name text, connection text, dt date,"
        " key_hash ubigint, other_day date)"
    )
    database.execute("create temp table changed as select * from build.lake_partitions")
    _read_keys(database, lake)
    database.execute("insert into build.lake_keys select * from new_keys")


def note_changes(database: duckdb.DuckDBPyConnection, lake: Path, partitions: pa.Table) -> list[date]:
    """The days to make anew in a copy of the last build, as `build.touched_days`; `build.read_days` are read for them."""
    for table in NOTED:
        database.execute(f"drop table if exists build.{table}")
    database.execute(f"create temp table changed as {CHANGED}")
    _read_keys(database, lake)
    database.execute("create or replace table build.read_days as select distinct dt as day from changed")
    days_renamed = renamed.days(database, lake)
    database.execute(
        "insert into build.read_days select day from (select unnest($days::date[]) as day) where day not in (from build.read_days)",
        {"days": days_renamed},
    )
    _add_days_that_share_a_record(database)
    _add_neighbours(database, days_away=1)
    _add_days_that_share_a_record(database)
    database.execute("create or replace table build.touched_days as from build.read_days")
    _add_neighbours(database, days_away=-1)
    _add_days_that_share_a_record(database)
    database.execute(f"delete from build.lake_keys where ({PARTITION}) in (select {PARTITION} from changed)")
    database.execute("insert into build.lake_keys select * from new_keys")
    database.execute("create or replace table build.lake_partitions as select * from partitions")
    renamed.note(database, lake)
    return touched_days(database)


def is_changed(database: duckdb.DuckDBPyConnection, partitions: pa.Table) -> bool:
    """Whether any partition differs from what the build in this database has read."""
    return bool(database.sql(f"from ({CHANGED}) limit 1").fetchall())


def touched_days(database: duckdb.DuckDBPyConnection) -> list[date]:
    return [day for (day,) in database.sql("select day from build.touched_days order by day").fetchall()]


def _read_keys(database: duckdb.DuckDBPyConnection, lake: Path) -> None:
    """Of the changed partitions, as they are now. Children lie with their parents."""
    database.execute("create temp table new_keys as from build.lake_keys limit 0")
    for table in (table for contract in contracts() for table in contract.TABLES):
        time = table.day_of or TIMES.get((table.source, table.name))
        files = _files_of_changed(database, lake, table) if time else []
        if not files:
            continue
        try:
            database.execute(
                f"""
                insert into new_keys
                select $source, $table, connection, cast(dt as date), hash({", ".join(table.key)}),
                    nullif(cast({time} at time zone 'UTC' as date), cast(dt as date))
                from read_parquet($files, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)
                """,
                {"source": table.source, "table": table.name, "files": files},
            )
        except duckdb.InvalidInputException as error:
            raise LakeError(
                f"a file of {table.source}.{table.name} cannot be read ({error}); move it out of the lake and ingest its day again"
            ) from None


def _files_of_changed(database: duckdb.DuckDBPyConnection, lake: Path, table: Table) -> list[str]:
    folders = database.execute(
        "select connection, dt from changed where source_name = ? and table_name = ?",
        [table.source, table.name],
    ).fetchall()
    return [
        str(file)
        for connection, day in folders
        for file in (lake / table.source / table.name / f"connection={connection}" / f"dt={day}").glob(
            "*.parquet"
        )
    ]


def _add_neighbours(database: duckdb.DuckDBPyConnection, days_away: int) -> None:
    database.execute(
        """
        insert into build.read_days
        select day + $away from build.read_days
        where day + $away in (select dt from build.lake_partitions union select dt from changed)
            and day + $away not in (select day from build.read_days)
        """,
        {"away": days_away},
    )


def _add_days_that_share_a_record(database: duckdb.DuckDBPyConnection) -> None:
    """And those that share one with these, and so on; by what the partitions held, and by what they hold now."""
    added = 1
    while added:
        (added,) = database.execute(
            """
            insert into build.read_days
            with keys as (from build.lake_keys union all from new_keys),
            read_keys as (from keys semi join build.read_days on keys.dt = read_days.day),
            linked as (
                select keys.dt as day
                from keys
                semi join read_keys using (source_name, table_name, connection, key_hash)
                union
                select other_day from read_keys
                union
                select keys.dt from keys semi join build.read_days on keys.other_day = read_days.day
            )
            select day from linked where day is not null and day not in (select day from build.read_days)
            """
        ).fetchone()
