"""How far two lakes, and what is built of them, are apart, but for when each was asked."""

from __future__ import annotations

from pathlib import Path

import duckdb

from pipelines.lib.contract import Table

OF_ASKING = {
    "core.fct_landings",
    "core.fct_landing_days",
    "core.fct_device_activity",
    "marts.pipeline_health_daily",
}
"""Tables of when was asked, and of what devices did up to the newest question, which came later in the fresh lake."""

UP_TO_THE_NEWEST_QUESTION = {
    "last_fetched_at",
    "observed_until",
    "observed_seconds",
    "idle_seconds",
    "unavailable_seconds",
    "unobserved_seconds",
    "reserved_idle_seconds",
    "utilization",
    "devices_available",
}
"""Columns in which today ends with the newest question: of snapshots, all of them."""


def rows_apart(left: Path, right: Path, table: Table) -> tuple[int, int]:
    """Rows of one lake that the other lacks, but for when they were fetched; and rows in all.

    So it is told that a test was asked for commands too soon after its end to be done with: it is due once more.
    """
    is_due = "replace (regexp_replace(_test_state, '/PROCESSING$', '') as _test_state)"
    rows = f"""select hash(r) from (
        select * exclude (_fetched_at) {is_due if "_test_state" in table.schema.names else ""}
        from read_parquet($%s, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)
        where connection <> '_') r"""
    files = [str(lake / table.source / table.name / "**" / "*.parquet") for lake in (left, right)]
    return duckdb.execute(
        f"""with a as ({rows % 1}), b as ({rows % 2})
            select (select count(*) from ((from a except all from b) union all (from b except all from a))),
                (select count(*) from b)""",
        {"1": files[0], "2": files[1]},
    ).fetchone()


def marts_apart(ours: Path, theirs: Path) -> tuple[int, dict[str, int]]:
    """Columns that were compared, and the rows of each table that one build has and the other has not."""
    apart, compared = {}, 0
    with duckdb.connect() as both:
        for name, home in (("ours", ours), ("theirs", theirs)):
            both.execute(f"attach '{home / 'warehouse' / 'flakehouse.duckdb'}' as {name} (read_only)")
        columns = both.sql("""
            select schema_name || '.' || table_name as name, column_name, data_type
            from duckdb_columns() where database_name = 'ours' and schema_name in ('core', 'marts')
            order by name, column_index
        """).fetchall()
        for table in sorted({name for name, _, _ in columns} - OF_ASKING):
            # The last bits of a sum depend on the order of its rows.
            chosen = [
                f'round("{column}", 6)' if kind == "DOUBLE" else f'"{column}"'
                for name, column, kind in columns
                if name == table and column not in UP_TO_THE_NEWEST_QUESTION
            ]
            compared += len(chosen)
            one, other = (f"select {', '.join(chosen)} from {side}.{table}" for side in ("ours", "theirs"))
            (count,) = both.sql(
                f"select count(*) from (({one} except all {other}) union all ({other} except all {one}))"
            ).fetchone()
            if count:
                apart[table] = count
    return compared, apart
