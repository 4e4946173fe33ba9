# ruff: noqa: S608  every name in these statements is a contract's own
"""The demo's closing words: what came, what was odd, the heads of the marts, and where to go next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
from rich import box
from rich.console import Console
from rich.table import Table

from pipelines.cli.session import Session
from pipelines.cli.terminal import TABLE_WIDTH
from pipelines.defs.sources import contracts

FLAKIEST = """
    select test_name as test, replace(evidence, '_', ' ') as "shown by",
        format('{:.0f}%', 100 * flake_rate) as rate,
        format('{:.0f} to {:.0f}%', 100 * flake_rate_low, 100 * flake_rate_high) as "90% interval",
        runs as n, failures as failed, mixed_builds as mixed, coalesce(cause, '') as cause
    from marts.test_flakiness
    where state = 'flaky'
    order by flake_rate_low desc, test_name
    limit 8
"""

BUSIEST = """
    select any_value(model) as model, device_id as device, any_value(os) as os, any_value(location) as location,
        round(sum(busy_seconds) / 3600, 1) as "busy h",
        format('{:.1f}%', 100 * sum(busy_seconds) / nullif(sum(busy_seconds + idle_seconds), 0)) as busy,
        count(*) as days, sum(test_runs)::bigint as runs, sum(failures)::bigint as failed
    from marts.device_utilization_daily
    group by connection, device_id
    order by sum(busy_seconds) desc, device_id
    limit 8
"""

REASONS = """
    select occurrences as runs, tests, devices, category,
        case when is_new then 'new' when is_reopened then 'reopened' else '' end as news,
        regexp_replace(example_message, '\\s+', ' ', 'g') as "for example"
    from marts.failure_reasons
    order by occurrences desc, failure_id
    limit 8
"""


GAP = 3


def show(current: Session, seconds: float) -> None:
    out, home = current.out, current.settings.home
    lake, published = Path(current.settings.lake), home / "warehouse" / "flakehouse.duckdb"
    out.print()
    _what_was_read(out, lake)
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


def _what_was_read(out: Console, lake: Path) -> None:
    rows, remarks = [], []
    with duckdb.connect() as connection:
        for table in (table for contract in contracts() for table in contract.TABLES):
            name, folder = f"{table.source}.{table.name}", lake / table.source / table.name
            files = _files(folder)
            total, connections, days = connection.sql(
                f"select count(*), count(distinct connection), count(distinct dt) from {files}"
            ).fetchone()
            flags = connection.sql(
                f"select issue, count(*) from (select unnest(_issues) as issue from {files}) group by all order by 2 desc, 1"
            ).fetchall()
            refused_folder = folder.with_name(f"{table.name}__rejected")
            (refused,) = connection.sql(f"select count(*) from {_files(refused_folder)}").fetchone()
            if total or refused:
                rows.append((name, total, connections, days, sum(count for _, count in flags), refused))
            remarks += [f"kept, and flagged in {name}: {issue} x {count:,}" for issue, count in flags]
            if refused:
                remarks.append(f"rejected, see raw/{table.source}/{refused_folder.name}: {refused:,} records")
    _print(out, "What was read", rows, ("table", "rows", "connections", "days", "flagged", "rejected"))
    for remark in remarks:
        out.print(remark)
    if remarks:
        out.print()


def _files(folder: Path) -> str:
    return f"read_parquet('{folder}/**/*.parquet', hive_partitioning = true, union_by_name = true)"


def _print(out: Console, title: str, rows: Sequence[tuple], columns: Sequence[str]) -> None:
    """A table no wider than the terminal or 100 columns: the column with the longest text gives way."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(columns, *cells, strict=True)]
    longest = widths.index(max(widths))
    room = min(TABLE_WIDTH, out.width) - GAP * (len(columns) - 1) - (sum(widths) - widths[longest])
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, name in enumerate(columns):
        is_number = any(isinstance(row[index], int | float) for row in rows)
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for row in cells:
        table.add_row(
            *(_shortened(text, room) if index == longest else text for index, text in enumerate(row))
        )
    out.print(title, style="bold")
    out.print(table, soft_wrap=False)
    out.print()


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 1)] + "…"


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int | float) else str(value)


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
    for command, what in (
        ("make notebooks", "the Monday review, and three pages on which to ask further"),
        ("make dev", "the graph, its runs and checks in a browser; materialise a day yourself"),
        (".venv/bin/flakehouse init", "your own systems; docs/first-hour.md leads through it"),
    ):
        out.print(f"  {command:<29}{what}")
