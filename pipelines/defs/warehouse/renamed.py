# ruff: noqa: S608  folders of ours, and names of a contract
"""Days whose script runs are called otherwise now, though the lake says nothing else of them.

A script run takes its test's name and its project's working time from Enterprise Tester's newest snapshots, so that
what is said today renames runs of long ago. What a build took is kept in `build.assignments` and `build.projects`.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

NEWEST = {
    "assignments": (
        "script_assignments",
        "connection, _project_id as project_id, name, id, script_id, package_name, package_project_id",
    ),
    "projects": (
        "projects",
        "connection, id, time_tracking_configuration_hours_per_day, time_tracking_configuration_days_per_week",
    ),
}


def note(database: duckdb.DuckDBPyConnection, lake: Path) -> None:
    """What this build takes."""
    for name in NEWEST:
        database.execute(f"create or replace table build.{name} as {_newest(lake, name)}")


def days(database: duckdb.DuckDBPyConnection, lake: Path) -> list[date]:
    """Of the runs of the build before whose assignments or projects are others than what it took."""
    for name in NEWEST:
        now = f"({_newest(lake, name)})"
        database.execute(
            f"""
            create or replace temp table changed_{name} as
            (from {now} except from build.{name}) union (from build.{name} except from {now})
            """
        )
    if not database.sql("select 1 from changed_assignments union select 1 from changed_projects").fetchall():
        return []
    return [
        day
        for (day,) in database.execute(
            f"""
            with renamed as (   -- two scripts of the same name are told apart by their packages: both change
                select every.connection, every.id
                from (from build.assignments union {_newest(lake, "assignments")}) as every
                semi join changed_assignments as changed
                    on every.connection = changed.connection
                    and every.project_id is not distinct from changed.project_id
                    and every.name is not distinct from changed.name
            )
            select runs.started_date
            from core.fct_script_runs as runs
            semi join renamed on runs.connection = renamed.connection and runs.assignment_id = renamed.id
            union
            select started_date from core.fct_script_runs semi join changed_projects using (connection)
            """
        ).fetchall()
    ]


def _newest(lake: Path, name: str) -> str:
    """As staging takes it."""
    table, columns = NEWEST[name]
    files = f"{lake}/enterprise_tester/{table}/**/*.parquet".replace("'", "''")
    return f"""
        select {columns}
        from read_parquet('{files}', hive_partitioning = true, hive_types_autocast = false, union_by_name = true)
        qualify row_number() over (partition by connection, id order by _fetched_at desc, dt desc) = 1
    """
