"""What is exported opens elsewhere with the values of the warehouse, and no half a file is ever left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest

ROWS = """
    select 'checkout, "pays"' as test_name, 12 as runs, 0.25::double as flake_rate, date '2026-06-30' as date,
        timestamptz '2026-06-30 12:30:00+02' as last_run_at, ['a', 'b'] as tags, '=1+1' as example_message,
        9007199254740993 as vendor_number
    union all select 'überall', 1, null, null, null, null, repeat('x', 40000), null
"""

Export = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def export(tmp_path: Path) -> Export:
    published = tmp_path / "home" / "warehouse" / "flakehouse.duckdb"
    published.parent.mkdir(parents=True)
    with duckdb.connect(published) as warehouse:
        warehouse.execute("create schema marts; create schema core")
        warehouse.execute(f"create table marts.test_flakiness as {ROWS}")
        warehouse.execute("create table core.dim_tests as select 1 as test_id")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "FLAKEHOUSE_HOME": str(tmp_path / "home")}
        command = [sys.executable, "-m", "pipelines.cli", "export", *arguments]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


def expected(query: str = ROWS) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        return database.sql(query).fetchall()


def test_parquet_holds_the_table_as_it_is(export: Export, tmp_path: Path) -> None:
    said = export("marts.test_flakiness", "--out", "flaky.parquet")
    assert (said.returncode, said.stdout) == (0, "2 rows in flaky.parquet\n")
    assert expected(f"from '{tmp_path}/flaky.parquet'") == expected()


def test_csv_reads_back_as_it_was(export: Export, tmp_path: Path) -> None:
    assert export("test_flakiness", "--out", "flaky.csv").returncode == 0
    types = "{'tags': 'varchar[]', 'last_run_at': 'timestamptz'}"
    assert expected(f"from read_csv('{tmp_path}/flaky.csv', types = {types})") == expected()


def test_a_sheet_shows_values_and_runs_no_formula(export: Export, tmp_path: Path) -> None:
    assert export("marts.test_flakiness", "--out", "flaky.xlsx").returncode == 0
    header, first, second = openpyxl.load_workbook(tmp_path / "flaky.xlsx").active.iter_rows()
    assert [cell.value for cell in header][:3] == ["test_name", "runs", "flake_rate"]
    assert [cell.value for cell in first] == [
        'checkout, "pays"',
        12,
        0.25,
        datetime(2026, 6, 30),  # noqa: DTZ001  a sheet knows no zones
        datetime(2026, 6, 30, 10, 30),  # noqa: DTZ001
        '["a", "b"]',
        "=1+1",
        "9007199254740993",
    ]
    assert first[6].data_type == "s"
    assert len(second[6].value) == 32_767


def test_a_query_is_exported_too(export: Export, tmp_path: Path) -> None:
    query = "select runs + 1 as more from marts.test_flakiness order by 1;"
    assert export(query, "--out", "more.csv").stdout == "2 rows in more.csv\n"
    assert (tmp_path / "more.csv").read_text() == "more\n2\n13\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("marts.flaky", "--out", "a.csv"), "marts.flaky: no such table; marts has test_flakiness"),
        (("core.flaky", "--out", "a.csv"), "core.flaky: no such table; core has dim_tests"),
        (("test_flakiness", "--out", "a.txt"), "--out a.txt: the ending says the format: .csv, .xlsx or .parquet"),
        (("test_flakiness", "--out", "none/a.csv"), "none/a.csv: cannot be written (No such file or directory)"),
        (("select nothing from marts.test_flakiness", "--out", "a.csv"), "the query fails: Binder Error"),
        (("drop table marts.test_flakiness", "--out", "a.csv"), "give the name of a table"),
        (("select 1; select 2", "--out", "a.csv"), "give the name of a table"),
        (("select from where", "--out", "a.csv"), "not a query: Parser Error"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_one_line_and_no_file(
    export: Export, tmp_path: Path, arguments: tuple[str, ...], line: str
) -> None:
    said = export(*arguments)
    assert said.returncode == 1
    assert said.stderr.startswith(line)
    assert said.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"home"}


def test_without_a_warehouse_the_next_command_is_named(export: Export, tmp_path: Path) -> None:
    (tmp_path / "home" / "warehouse" / "flakehouse.duckdb").unlink()
    said = export("marts.test_flakiness", "--out", "a.csv")
    assert said.returncode == 1
    assert said.stderr.endswith("no warehouse is published yet; run `flakehouse build`\n")


def test_the_shell_completes_commands_options_and_published_tables(export: Export, tmp_path: Path) -> None:
    def completed(typed: str, home: str = "home") -> list[str]:
        asked = {
            "_FLAKEHOUSE_COMPLETE": "complete_bash",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(typed.split()) - 1),
        }
        environment = {**os.environ, **asked, "FLAKEHOUSE_HOME": str(tmp_path / home)}
        command = [str(Path(sys.executable).with_name("flakehouse"))]
        said = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return said.stdout.split()

    assert completed("flakehouse ex") == ["export"]
    assert completed("flakehouse export --o") == ["--out"]
    assert completed("flakehouse export mar") == ["marts.test_flakiness"]
    assert completed("flakehouse export core.d") == ["core.dim_tests"]
    assert completed("flakehouse export mar", home="nowhere") == []
