"""The tests that compare what was told twice find what one side lacks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import duckdb
import pytest

Tables = dict[str, list[dict[str, Any]]]
Found = Callable[[str, Tables], list[tuple[Any, ...]]]


@pytest.fixture
def found(build) -> Found:
    def rows_of_test(name: str, tables: Tables) -> list[tuple[Any, ...]]:
        """What the test of this name finds in these tables, as dbt compiled it for a build of everything."""
        (file,) = (build.target / "compiled").rglob(f"tests/{name}.sql")
        with duckdb.connect(":memory:") as database:
            database.execute("attach ':memory:' as flakehouse")
            for table, rows in tables.items():
                database.execute(f"create schema if not exists flakehouse.{table.split('.')[0]}")
                columns = ", ".join(f"{column} {_type(column)}" for column in rows[0])
                database.execute(f"create table flakehouse.{table} ({columns})")
                for row in rows:
                    database.execute(
                        f"insert into flakehouse.{table} values ({', '.join('?' * len(row))})",
                        list(row.values()),
                    )
            return sorted(database.sql(file.read_text()).fetchall())

    return rows_of_test


def _type(column: str) -> str:
    return "timestamp" if re.search("_at$|_until$", column) else "date" if "date" in column else "text"


def test_a_run_seen_live_that_nobody_reports_within_a_day_is_named(found: Found) -> None:
    def seen(connection: str, execution: str, at: str) -> dict[str, Any]:
        return {"connection": connection, "execution_id": execution, "started_at": "2026-03-08 09:00", "observed_at": at}  # fmt: skip

    tables = {
        "staging.stg_perfecto_live__executions": [
            seen("acme", "reported", "2026-03-08 10:00"),
            seen("acme", "lost", "2026-03-08 10:00"),
            seen("acme", "lost", "2026-03-08 11:00"),
            seen("acme", "still there", "2026-03-08 10:00"),
            seen("acme", "still there", "2026-03-08 11:01"),
            seen("12", "reported", "2026-03-08 10:00"),
            seen("silent", "lost", "2026-03-01 10:00"),
        ],
        "staging.stg_perfecto_reporting__test_executions": [
            {"connection": "acme", "external_id": "reported"},
            {"connection": "acme", "external_id": "reported"},
        ],
        "core.fct_landing_days": [
            {"connection": connection, "source_name": source, "table_name": table, "known_until": until}
            for connection, source, table, until in [
                ("acme", "perfecto_reporting", "test_executions", "2026-03-09 11:00"),
                ("acme", "perfecto_reporting", "test_executions", "2026-03-08 11:00"),
                ("acme", "perfecto_live", "executions", "2026-03-10 12:00"),
                ("acme", "perfecto_reporting", "commands", "2026-03-10 12:00"),
                ("12", "perfecto_reporting", "test_executions", "2026-03-10 12:00"),
            ]
        ],
    }
    rows = found("runs_seen_live_are_reported_within_a_day", tables)
    assert [row[:2] for row in rows] == [("12", "reported"), ("acme", "lost")]


def test_a_record_that_core_lost_doubled_or_made_up_is_named(found: Found) -> None:
    def lake(*ids: str) -> list[dict[str, Any]]:
        return [{"connection": "c", "id": each, "dt": "2026-03-08"} for each in ids]

    def runs(source: str, *ids: str) -> list[dict[str, Any]]:
        return [
            {"source_name": source, "connection": "c", "vendor_run_id": each, "started_date": "2026-03-08"}
            for each in ids
        ]

    tables = {
        "perfecto_reporting.test_executions": lake("a", "a", "lost", "doubled"),
        "enterprise_tester.script_runs": lake("a", "b"),
        "hcl_test_server.executions": lake("a", "gone"),
        "core.fct_test_runs": [
            *runs("perfecto", "a", "doubled", "doubled"),
            *runs("enterprise_tester", "a", "b", "made up"),
        ],
        "core.fct_server_executions": [
            {"connection": "c", "execution_id": "a", "ended_date": "2026-03-08"},
        ],
    }
    assert found("records_of_the_lake_are_rows_of_core_once", tables) == [
        ("enterprise_tester", "c", "made up", False, 1),
        ("hcl_test_server", "c", "gone", True, 0),
        ("perfecto_reporting", "c", "doubled", True, 2),
        ("perfecto_reporting", "c", "lost", True, 0),
    ]


@pytest.mark.parametrize(
    ("name", "severity", "table"),
    [
        ("runs_seen_live_are_reported_within_a_day", "warn", "stg_perfecto_live__executions"),
        ("records_of_the_lake_are_rows_of_core_once", "ERROR", "fct_server_executions"),
    ],
)
def test_dagster_shows_it_as_a_check_that_says_what_to_do(
    build, name: str, severity: str, table: str
) -> None:
    (node,) = (node for node in build.manifest()["nodes"].values() if node["name"] == name)
    assert node["config"]["severity"] == severity
    assert node["meta"]["dagster"]["ref"]["name"] == table  # made by the step that runs the test
    assert "flakehouse " in node["meta"]["description"]
