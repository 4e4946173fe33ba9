# ruff: noqa: S608  every name in these statements is a model's own
"""Publishing: the tested build becomes what readers see, at once and as a whole, while they read.

DuckDB locks a file that is written, so readers never see the build database itself: a copy of it is trimmed,
exported and renamed over the published one. A reader that holds the old file keeps it until it closes.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

import duckdb
from filelock import FileLock

from pipelines.defs.warehouse.built import opened
from pipelines.defs.warehouse.folders import Folders

PUBLIC_SCHEMAS = ("core", "marts")
OURS = "build"
"""What the next build has to know of this one; kept in the database, not exported."""


def publish(folders: Folders) -> dict[str, int]:
    """Publish what was built; rows per `schema.table`. One at a time, whoever asks.

    Of a build by Spark it is the Parquet files alone: the database stays that of the last build by DuckDB.
    Killed at any point it leaves the last published build whole, and the next call removes what was left.
    """
    folders.warehouse.mkdir(parents=True, exist_ok=True)
    with FileLock(folders.warehouse / ".publish.lock"):
        name = uuid.uuid4().hex[:12]
        aside, exports = folders.warehouse / ".publish", folders.warehouse / ".marts"
        shutil.rmtree(aside, ignore_errors=True)
        database = aside / folders.published.name  # another stem would break the views inside
        export = exports / name
        aside.mkdir(parents=True)
        if folders.target == "duckdb":
            _copy_closed(folders.build_database, database)
            rows = _trim_and_export(database, export)
            _replace_database(database, folders.published)
        else:
            with opened(folders) as connection:
                rows = _export(connection, export)
        _swap_link(export, folders.marts)
        _remove_old(exports, keep=name)
        shutil.rmtree(aside)
    return rows


def _copy_closed(build: Path, copy: Path) -> None:
    with duckdb.connect(build) as connection:
        connection.execute("checkpoint")
    if _wal(build).exists():
        raise RuntimeError(f"{build} still has a write-ahead log: another process is writing to it")
    shutil.copyfile(build, copy)


def _trim_and_export(database: Path, export: Path) -> dict[str, int]:
    """Drop what readers have no use for, and write each remaining table as Parquet."""
    with duckdb.connect(database) as connection:
        schemas = connection.sql(
            "select distinct schema_name from duckdb_schemas() where database_name = current_catalog()"
            " and not internal and schema_name <> 'main'"
        ).fetchall()
        for (schema,) in schemas:
            if schema not in (*PUBLIC_SCHEMAS, OURS):
                connection.execute(f'drop schema "{schema}" cascade')
        rows = _export(connection, export)
        connection.execute("checkpoint")
    return rows


def _export(connection: duckdb.DuckDBPyConnection, export: Path) -> dict[str, int]:
    """Write each table that is for readers as Parquet."""
    rows = {}
    tables = connection.sql(
        "select table_schema, table_name from information_schema.tables"
        f" where table_catalog = current_catalog() and table_schema in {PUBLIC_SCHEMAS} order by all"
    ).fetchall()
    for schema, table in tables:
        file = export / schema / f"{table}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        (count,) = connection.execute(
            f'copy "{schema}"."{table}" to $file (format parquet, compression zstd)', {"file": str(file)}
        ).fetchone()
        rows[f"{schema}.{table}"] = count
    _fsync(export.rglob("*"))
    return rows


def _replace_database(database: Path, published: Path) -> None:
    if _wal(database).exists():
        raise RuntimeError(f"{database} still has a write-ahead log")
    _fsync([database])
    # A log that an old reader's client left would be replayed into the new file.
    _wal(published).unlink(missing_ok=True)
    database.replace(published)
    _fsync([published.parent])


def _swap_link(target: Path, link: Path) -> None:
    aside = link.with_name(f".{link.name}.next")
    aside.unlink(missing_ok=True)
    aside.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
    aside.replace(link)
    _fsync([link.parent])


def _remove_old(exports: Path, keep: str) -> None:
    """The export before this one stays: a reader may have resolved the link just before it moved."""
    others = sorted(
        (path for path in exports.iterdir() if path.name != keep), key=lambda path: path.stat().st_mtime
    )
    for path in others[:-1]:
        shutil.rmtree(path)


def _wal(database: Path) -> Path:
    return database.with_name(database.name + ".wal")


def _fsync(paths: Iterable[Path]) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
