"""Where a table's files lie, and how one is replaced: written aside, synced, renamed, under a lock.

`<root>/<source>/<table>/connection=<name>/dt=<day>/*.parquet` holds what readers may see; everything unfinished lies
under `<root>/.landing`, in the same file system, where no reader's pattern looks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.lib.contract import REJECTED_SCHEMA, Table

LANDING = ".landing"
DATA = "data.parquet"


class LakeError(Exception):
    """The lake cannot be read or written: one line with the path and the reason."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One table's files of one connection and day."""

    root: Path
    source: str
    table: str
    connection: str
    day: date

    @property
    def folder(self) -> Path:
        return self.root / self._inside

    @property
    def data(self) -> Path:
        return self.folder / DATA

    @property
    def journal(self) -> Path:
        """Answers that are kept but not merged yet."""
        return self.root / LANDING / self._inside

    @property
    def rejected(self) -> Partition:
        return Partition(self.root, self.source, f"{self.table}__rejected", self.connection, self.day)

    @property
    def _inside(self) -> Path:
        return Path(self.source, self.table, f"connection={self.connection}", f"dt={self.day.isoformat()}")


@contextmanager
def problems_named(root: Path) -> Iterator[None]:
    """An operating system's refusal becomes one line that names the file."""
    try:
        yield
    except OSError as error:
        place = error.filename or root
        raise LakeError(
            f"{place}: {error.strerror or error}; check the folder, its rights and the disk"
        ) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else changes this folder's files meanwhile. A killed holder's lock goes with it."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def workspace(root: Path) -> Iterator[Path]:
    """A folder for unfinished files; removed at the end, or by whoever comes after a killed process."""
    home = root / LANDING / "work"
    home.mkdir(parents=True, exist_ok=True)
    _remove_orphans(home)
    folder = home / uuid.uuid4().hex
    handle = _made_and_locked(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _made_and_locked(folder: Path) -> int:
    """Locked before it has its name: an unlocked folder here is an orphan."""
    unnamed = folder.with_name(f".{folder.name}")
    unnamed.mkdir()
    handle = os.open(unnamed, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    unnamed.rename(folder)
    return handle


def _remove_orphans(home: Path) -> None:
    for folder in home.iterdir():
        if folder.name.startswith("."):
            continue  # being made; if its maker was killed, an empty folder stays until it is older
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def publish(unfinished: Path, target: Path) -> None:
    """Renames a finished file to its place; after a crash at any instant the old one is there, or the new one."""
    _sync(unfinished)
    os.replace(unfinished, target)  # noqa: PTH105  one place to interrupt in tests
    _sync(target.parent)


def remove(target: Path) -> None:
    """Removes a file for good, if it is there."""
    if target.exists():
        target.unlink()
        _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_schemas(root: Path, *tables: Table) -> None:
    """The zero-row file of each table and of its rejects, so that an empty one can be queried."""
    for table in tables:
        _write_schema(root, table.source, table.name, table.schema)
        _write_schema(root, table.source, f"{table.name}__rejected", REJECTED_SCHEMA)


def schema_file(root: Path, source: str, table: str) -> Path:
    return root / source / table / "connection=_" / "dt=1970-01-01" / "schema.parquet"


def _write_schema(root: Path, source: str, table: str, schema: pa.Schema) -> None:
    target = schema_file(root, source, table)
    if target.exists() and pq.read_schema(target).equals(schema):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with workspace(root) as folder:
        pq.write_table(schema.empty_table(), folder / target.name)
        publish(folder / target.name, target)
