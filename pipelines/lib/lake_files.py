"""Where a table's files lie, and how one is replaced: written aside, synced, renamed, under a lock.

`<root>/<source>/<table>/connection=<name>/dt=<day>/*.parquet` holds what readers may see; everything unfinished lies
under `<root>/.landing`, in the same file system, where no reader's pattern looks.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import sys
import time
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
_BEING_MADE_SECONDS = 3600  # nothing is being made for that long
_SWAP = 2  # RENAME_EXCHANGE on Linux, RENAME_SWAP on macOS
_AT_CWD = -100


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
    handle = _locked(folder)
    while handle is None:
        handle = _locked(folder)
    try:
        yield
    finally:
        os.close(handle)


def _locked(folder: Path) -> int | None:
    """None where another folder took this one's place while we waited."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = None
    with contextlib.suppress(FileNotFoundError):
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.path.samestat(os.fstat(handle), folder.stat()):
            return handle
    if handle is not None:
        os.close(handle)
    return None


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
    """Locked before it has its name: an unlocked folder here is an orphan. Who else works in it locks it, too."""
    unnamed = folder.with_name(f".{folder.name}")
    unnamed.mkdir()
    handle = os.open(unnamed, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    unnamed.rename(folder)
    return handle


@contextmanager
def joined(folder: Path) -> Iterator[None]:
    """The workspace of another process is kept as long as this one works in it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def _remove_orphans(home: Path) -> None:
    for folder in home.iterdir():
        if folder.name.startswith("."):  # being made, unless its maker was killed
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > _BEING_MADE_SECONDS:
                    folder.rmdir()
            continue
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


def publish_folder(unfinished: Path, target: Path) -> None:
    """Exchanges a finished folder and the one in its place, in one operation of the system.

    At any instant one of the two is there, as a whole; a reader that listed the old one and opens a file of it
    afterwards is told that there is none. What was replaced lies in `unfinished` then.
    """
    for file in unfinished.iterdir():
        _sync(file)
    _sync(unfinished)
    _exchange(unfinished, target)
    _sync(target.parent)
    _sync(unfinished.parent)


def _exchange(one: Path, other: Path) -> None:
    system = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        failed = system.renamex_np(first, second, ctypes.c_uint(_SWAP))
    else:
        failed = system.renameat2(_AT_CWD, first, _AT_CWD, second, ctypes.c_uint(_SWAP))
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot be exchanged with another folder ({os.strerror(number)})", str(other))


def withdraw_folder(target: Path, aside: Path) -> None:
    """Takes a folder away from where readers look, as a whole."""
    target.rename(aside)
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
