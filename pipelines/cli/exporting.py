# ruff: noqa: S608  the statement is the asker's own, on a database that is open for reading only
"""`flakehouse export`: a table of the published warehouse, or any query on it, as a file for another program."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import duckdb
import xlsxwriter

from pipelines.cli.published import published_warehouse
from pipelines.cli.terminal import CommandError, console

_SHEET_ROWS = 1_048_575  # of an Excel sheet, its header aside
_CELL_CHARACTERS = 32_767
_EXACT_INTEGER = 10**15  # a sheet's numbers are doubles, shown with 15 digits
_BATCH_ROWS = 10_000
_NATIVE = {".csv": "format csv, header", ".parquet": "format parquet, compression zstd"}


def export(what: str, out: Path) -> None:
    if out.suffix not in (*_NATIVE, ".xlsx"):
        raise CommandError(f"--out {out}: the ending says the format: .csv, .xlsx or .parquet")
    with _published() as warehouse:
        query = _query(warehouse, what)
        try:
            with _put_in_place(out) as unfinished:
                if out.suffix == ".xlsx":
                    rows = _write_sheet(warehouse.sql(query), unfinished)
                else:
                    rows = _copy(warehouse, query, unfinished, _NATIVE[out.suffix])
        except duckdb.Error as error:
            raise CommandError(f"the query fails: {str(error).splitlines()[0]}") from None
    console().print(f"{rows:,} rows in {out}")


def tables() -> list[str]:
    """Those that are published, with their schemas; none before the first build."""
    try:
        with _published() as warehouse:
            named = warehouse.sql("select table_schema || '.' || table_name from information_schema.tables")
            return sorted(name for (name,) in named.fetchall())
    except CommandError:
        return []


@contextmanager
def _published() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(published_warehouse(), read_only=True) as warehouse:
        warehouse.execute("set timezone = 'UTC'")
        yield warehouse


def _query(warehouse: duckdb.DuckDBPyConnection, what: str) -> str:
    """What was asked as one query: a table by its name, of `marts` where no schema is said, or a query as it is."""
    if re.fullmatch(r"\w+(\.\w+)?", what):
        schema, _, table = what.rpartition(".")
        tables = warehouse.execute(
            "select table_name from information_schema.tables where table_schema = $1 order by 1",
            [schema or "marts"],
        ).fetchall()
        if (table,) not in tables:
            known = ", ".join(name for (name,) in tables) or "no tables"
            raise CommandError(f"{what}: no such table; {schema or 'marts'} has {known}")
        return f'select * from "{schema or "marts"}"."{table}"'
    try:
        statements = warehouse.extract_statements(what)
    except duckdb.Error as error:
        raise CommandError(f"not a query: {str(error).splitlines()[0]}") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise CommandError("give the name of a table, such as marts.test_flakiness, or one select statement")
    return statements[0].query.strip().removesuffix(";")


@contextmanager
def _put_in_place(out: Path) -> Iterator[Path]:
    """A file beside the wanted one, which becomes it when all is written."""
    try:
        with NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as file:
            unfinished = Path(file.name)
    except OSError as error:
        raise CommandError(f"{out}: cannot be written ({error.strerror})") from None
    try:
        yield unfinished
        unfinished.chmod(0o666 & ~_umask())
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _copy(warehouse: duckdb.DuckDBPyConnection, query: str, file: Path, options: str) -> int:
    name = str(file).replace("'", "''")
    ((rows,),) = warehouse.execute(f"copy ({query}) to '{name}' ({options})").fetchall()
    return rows


def _write_sheet(relation: duckdb.DuckDBPyRelation, file: Path) -> int:
    """One sheet; lists and structs as JSON text, UTC times without their zone, long texts cut, nothing a formula."""
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "nan_inf_to_errors": True,
        "default_date_format": "yyyy-mm-dd hh:mm:ss",
    }
    rows = 0
    with xlsxwriter.Workbook(str(file), options) as book:
        sheet = book.add_worksheet()
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, relation.columns, book.add_format({"bold": True}))
        sheet.freeze_panes(1, 0)
        while batch := relation.fetchmany(_BATCH_ROWS):
            if rows + len(batch) > _SHEET_ROWS:
                raise CommandError(f"a sheet holds {_SHEET_ROWS:,} rows; narrow the query, or use .csv")
            for row in batch:
                rows += 1
                for column, value in enumerate(row):
                    is_day = isinstance(value, date) and not isinstance(value, datetime)
                    sheet.write(rows, column, _cell(value), day if is_day else None)
        sheet.autofilter(0, 0, rows, max(len(relation.columns) - 1, 0))
    return rows


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, (list, dict)):
        value = json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(value, int) and abs(value) >= _EXACT_INTEGER:
        return str(value)
    return value[:_CELL_CHARACTERS] if isinstance(value, str) else value
