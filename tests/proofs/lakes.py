"""What a lake holds, for comparison: every table but our own log of runs, without the time of fetching."""

from __future__ import annotations

from pathlib import Path

import duckdb

Contents = dict[str, list[tuple]]


def contents(lake: Path) -> Contents:
    """All rows of all tables that have any, rejects included, by `source/table`; connection and day are among them."""
    found = {}
    for folder in sorted(lake.glob("[!.]*/*")):
        if folder.parent.name != "flakehouse" and (rows := rows_of(folder)):
            found[f"{folder.parent.name}/{folder.name}"] = rows
    return found


def rows_of(folder: Path) -> list[tuple]:
    with duckdb.connect(":memory:") as database:
        database.execute("set timezone = 'UTC'")
        return database.execute(
            """select * exclude (_fetched_at)
               from read_parquet($files, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)
               where connection <> '_' order by all""",
            {"files": str(folder / "*" / "*" / "*.parquet")},
        ).fetchall()


def differing(left: Contents, right: Contents) -> list[str]:
    """Tables that differ, with the numbers of their rows: short enough to read when a proof fails."""
    return [
        f"{table}: {len(left.get(table, []))} and {len(right.get(table, []))} rows"
        for table in sorted({*left, *right})
        if left.get(table) != right.get(table)
    ]


def leftovers(lake: Path) -> list[str]:
    """Files that no reader may see and that nobody needs any more."""
    hidden = (path for path in lake.rglob("*") if path.is_file() and ".landing" in path.parts)
    unfinished = (path for path in lake.rglob("*") if path.is_file() and path.suffix != ".parquet")
    return sorted({str(path.relative_to(lake)) for path in (*hidden, *unfinished)})
