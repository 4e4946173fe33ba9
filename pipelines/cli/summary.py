# ruff: noqa: S608  every name in these statements is a contract's own
"""The demo's closing words: what came, what was odd, the heads of the marts, and where to go next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from pipelines.cli.session import Session
from pipelines.cli.terminal import TABLE_WIDTH
from pipelines.defs.sources import contracts

FLAKIEST = """
    select test_name as test, state,
        format('{:.1%}', flake_rate) as "flake rate",
        format('{:.0%} to {:.0%}', flake_rate_low, flake_rate_high) as "90% interval",
        runs as n, failures, mixed_builds as "mixed builds", coalesce(cause, '') as cause
    from marts.test_flakiness
    where state = 'flaky'
    order by flake_rate_low desc, test_name
    limit 8
"""

BUSIEST = """
    select device_id as device, any_value(model) as model, any_value(os) as os, any_value(location) as location,
        round(sum(busy_seconds) / 3600, 1) as "busy hours",
        format('{:.1%}', sum(busy_seconds) / nullif(sum(busy_seconds + idle_seconds), 0)) as utilisation,
        count(*) as days, sum(test_runs)::bigint as "test runs", sum(failures)::bigint as failures
    from marts.device_utilization_daily
    group by connection, device_id
    order by sum(busy_seconds) desc, device_id
    limit 8
"""

REASONS = """
    select occurrences as "test runs", tests, devices, category,
        case when is_new then 'new' when is_reopened then 'reopened' else '' end as "",
        regexp_replace(example_message, '\\s+', ' ', 'g') as "for example"
    from marts.failure_reasons
    order by occurrences desc, failure_id
    limit 8
"""


def show(current: Session, seconds: float) -> None:
    out, home = current.out, current.settings.home
    lake, published = Path(current.settings.lake), home / "warehouse" / "flakehouse.duckdb"
    out.print()
    _print(
        out,
        "What was read",
        _lake_rows(lake),
        ("table", "rows", "connections", "days", "rejected", "flagged"),
    )
    if published.exists():
        with duckdb.connect(published, read_only=True) as warehouse:
            for title, query in (
                ("The flakiest tests (marts.test_flakiness)", FLAKIEST),
                ("The busiest devices (marts.device_utilization_daily)", BUSIEST),
                ("Why tests fail (marts.failure_reasons)", REASONS),
            ):
                answer = warehouse.sql(query)
                _print(out, title, answer.fetchall(), answer.columns)
            states = warehouse.sql(
                "select state, count(*) from marts.test_flakiness group by all order by 2 desc"
            ).fetchall()
        out.print("Tests by state: " + ", ".join(f"{count:,} {state}" for state, count in states))
        out.print()
    _where_to_go(out, home, published, seconds)


def _lake_rows(lake: Path) -> list[tuple]:
    """Rows, connections, days, rejected records and flags of every table that holds something."""
    found = []
    with duckdb.connect() as connection:
        for table in (
            lake / table.source / table.name for contract in contracts() for table in contract.TABLES
        ):
            files = f"read_parquet('{table}/**/*.parquet', hive_partitioning = true, union_by_name = true)"
            rows, connections, days = connection.sql(
                f"select count(*), count(distinct connection), count(distinct dt) from {files}"
            ).fetchone()
            flags = connection.sql(
                f"select issue, count(*) from (select unnest(_issues) as issue from {files}) group by all order by 2 desc, 1"
            ).fetchall()
            rejected = f"read_parquet('{table}__rejected/**/*.parquet', hive_partitioning = true, union_by_name = true)"
            (refused,) = connection.sql(f"select count(*) from {rejected}").fetchone()
            flagged = ", ".join(f"{issue} x {count:,}" for issue, count in flags)
            found.append((f"{table.parent.name}.{table.name}", rows, connections, days, refused, flagged))
    return [row for row in found if row[1] or row[4]]


def _print(out: Console, title: str, rows: Sequence[tuple], columns: Sequence[str]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", width=min(TABLE_WIDTH, out.width))
    for index, name in enumerate(columns):
        is_number = any(isinstance(row[index], int | float) for row in rows)
        is_last = index == len(columns) - 1
        table.add_column(
            name, justify="right" if is_number else "left", no_wrap=not is_last, overflow="ellipsis"
        )
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    out.print(table)
    out.print()


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:,}" if isinstance(value, int | float) else str(value)
    return text if len(text) <= 120 else text[:119] + "…"


def _where_to_go(out: Console, home: Path, published: Path, seconds: float) -> None:
    shown = home.relative_to(Path.cwd()) if home.is_relative_to(Path.cwd()) else home
    shown_file = shown / published.relative_to(home)
    out.print(f"Done in {seconds:.0f} s. Everything lies in {shown}:")
    for place, what in (
        ("raw/", "the lake: Parquet by source, table, connection and day"),
        ("warehouse/flakehouse.duckdb", "what analysts open, any number at once"),
        ("marts/", "the same tables as Parquet"),
        ("dagster/", "every run, and the logs of every command"),
    ):
        out.print(f"  {place:<29}{what}")
    out.print()
    out.print("Next:")
    query = "select test_name, state, flake_rate from marts.test_flakiness"
    python = f"import duckdb; duckdb.connect('{shown_file}', read_only=True).sql('{query}').show()"
    out.print(f'  .venv/bin/python -c "{python}"', soft_wrap=True)
    out.print("  make dev       the graph, its runs and checks in a browser; materialise a day yourself")
    out.print("  README.md      your own systems: copy connections.example.toml to connections.toml")
