# ruff: noqa: S608  every name in these statements is a contract's own
"""Partitions derived anew from the `_raw` that they carry, after a contract changed. No source is asked.

A record that the contract no longer takes moves to the rejects; one that it takes now moves from there into the
table. A partition that would come out the same is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import zip_longest
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.lib import lake_files, runs
from pipelines.lib.answer import Page
from pipelines.lib.contract import REJECTED_SCHEMA, Reject, Table
from pipelines.lib.deriving import derived
from pipelines.lib.intake import Intake
from pipelines.lib.lake_files import Partition
from pipelines.lib.merging import Merge, connect

_BATCH_ROWS = 16_384
_ORDER_ROWS = 4_096
_REJECTED_ROWS = 512
# Nothing can be missing by what was said before anything was asked.
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Replayed:
    """What a replay did to one table's partition."""

    rows: int = 0
    accepted: int = 0  # formerly rejected
    refused: int = 0  # formerly in the table
    without_raw: int = 0  # rows that cannot be derived anew, and stay as they are
    is_rewritten: bool = False


def partitions_of(root: str | Path, table: Table) -> list[Partition]:
    """Every connection and day of which the lake holds rows or rejects of this table."""
    found = set()
    for name in (table.name, f"{table.name}__rejected"):
        for file in Path(root, table.source, name).glob("connection=*/dt=*/*.parquet"):
            connection = file.parent.parent.name.removeprefix("connection=")
            if connection != "_":
                found.add((connection, date.fromisoformat(file.parent.name.removeprefix("dt="))))
    return [Partition(Path(root), table.source, table.name, *place) for place in sorted(found)]


def replay(partition: Partition, table: Table, landed_with: Table) -> Replayed:
    """Derives one partition anew. `landed_with`: the table whose landing writes this one, itself or its parent."""
    replayed = Replayed()
    with (
        lake_files.problems_named(partition.root),
        lake_files.workspace(partition.root) as folder,
        lake_files.locked(replace(partition, table=landed_with.name).folder),
    ):
        lake_files.write_schemas(partition.root, *table.tables)
        places = (partition.folder, partition.rejected.folder)
        for name in sorted({file.name for place in places for file in place.glob("*.parquet")}):
            _File(partition, table, name, folder, replayed).replay()
    return replayed


class _File:
    """A file of the partition, and the rejects of the same name."""

    def __init__(
        self, partition: Partition, table: Table, name: str, folder: Path, replayed: Replayed
    ) -> None:
        self._partition = partition
        self._table = table
        self._held = partition.folder / name
        self._rejects = partition.rejected.folder / name
        self._folder = folder
        self._replayed = replayed
        self._day = partition.day if table.kind == "window" else None
        self._intake = Intake(table, folder, day=self._day, interval_seconds=self._interval())
        self._buffer = self._intake.buffers[table.name]

    def replay(self) -> None:
        refused = self._replayed.refused
        anew = self._derived() if self._held.exists() else None
        self._retry()
        self._intake.finish()
        if self._replayed.refused > refused:
            self._keep_refused()
        with connect(self._folder) as database:
            merging = Merge(database, _BEFORE_ALL)
            if not self._buffer.taken.received:
                if anew:
                    self._put(anew, self._held)
            elif self._table.kind == "window":
                self._merge(merging, anew)
            else:
                self._put_beside(database, anew)
            # Last, and what brings children along after them, so that an interrupted replay loses none.
            for table in reversed(self._table.tables):
                self._put_rejects(merging, table)

    def _derived(self) -> Path | None:
        """The rows anew, in the order of their key; None where they would be the same."""
        with pq.ParquetFile(self._held) as file:
            held = file.metadata.num_rows
            self._replayed.rows += held
            if "_raw" not in file.schema_arrow.names:
                self._replayed.without_raw += held
                return None
        if self._is_the_same():
            return None
        files: list[Path] = []
        with pq.ParquetFile(self._held) as file:
            for number, batch in enumerate(file.iter_batches(_BATCH_ROWS, use_threads=False)):
                rows, refused, without_raw = derived(self._table, self._day, batch)
                files.append(self._folder / f"anew-{number}{runs.SUFFIX}")
                runs.write_run([rows], self._table.schema, self._table.key, files[-1])
                self._replayed.without_raw += without_raw
                self._replayed.rows -= len(refused)
                self._replayed.refused += len(refused)
                for reject, fetched_at in refused:
                    self._buffer.refuse([reject], fetched_at)
        target = self._folder / f"anew-{self._held.name}"
        with connect(self._folder) as database:
            self._write_in_order(database, files, target)
        return target

    def _is_the_same(self) -> bool:
        """Whether every row says already what its record says; looks no further than the first that does not."""
        without = 0
        with pq.ParquetFile(self._held) as file:
            if not file.schema_arrow.equals(self._table.schema):
                return False
            for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
                rows, refused, without_raw = derived(self._table, self._day, batch)
                without += without_raw
                if refused or not rows.equals(batch):
                    return False
        self._replayed.without_raw += without
        return True

    def _write_in_order(self, database: duckdb.DuckDBPyConnection, files: list[Path], target: Path) -> None:
        """One file of runs; of two rows with one key (and time, where each observation counts) the newest."""
        key = ", ".join(f'"{name}"' for name in self._table.key)
        same = key if self._table.kind == "window" else f"{key}, _fetched_at"
        order = ", ".join(f'"{name}" nulls first' for name in self._table.key)
        narrow = {*self._table.key, "_fetched_at"}
        columns = pa.schema([field for field in self._table.schema if field.name in narrow])
        database.register("runs", runs.places(files, columns))
        rows = database.execute(f"""
            select run, row, cast(null as timestamptz) as since from runs
            qualify row_number() over (partition by {same} order by _fetched_at desc) = 1
            order by {order}, run, row""")
        runs.write_merged(files, self._table.schema, rows.to_arrow_reader(_ORDER_ROWS), target)

    def _keep_refused(self) -> None:
        """Puts them beside the rejects before they leave the table."""
        target = self._folder / f"kept-{self._held.name}"
        with pq.ParquetWriter(target, REJECTED_SCHEMA, compression="zstd") as writer:
            for file in (self._rejects, *self._buffer.taken.refused_files):
                for batch in _batches(file):
                    writer.write_batch(batch)
        self._put(target, self._rejects)

    def _retry(self) -> None:
        """Takes the rejects as if they came now, with the time and the place that they came with."""
        for reject in (row for batch in _batches(self._rejects) for row in batch.to_pylist()):
            raw, place, fetched_at = reject["_raw"], self._place(reject["_place"]), reject["_fetched_at"]
            before = self._buffer.taken.rejected
            if raw is None:
                self._buffer.refuse([Reject(b"", place, reject["error"])], fetched_at)
            else:
                self._intake.add_again(Page([raw.encode()], fetched_at, place))
            self._replayed.accepted += self._buffer.taken.rejected == before

    def _place(self, text: str | None) -> msgspec.Struct | None:
        if text is None or self._table.place is None:
            return None
        return msgspec.json.decode(text, type=self._table.place)

    def _merge(self, merging: Merge, anew: Path | None) -> None:
        """What was accepted, and the records of its children, with what is held; children first."""
        publications = []
        for table in self._table.tables:
            is_main = table is self._table
            place = replace(self._partition, table=table.name)
            held = (anew if is_main else None) or (place.data if place.data.exists() else None)
            buffer = self._intake.buffers[table.name]
            schema = lake_files.schema_file(place.root, place.source, table.name)
            merging.take(table, buffer.taken.files or [buffer.empty_run()], held, schema)
            merging.take_refused(table, buffer.taken.refused_files or [buffer.empty_refusals()])
            merging.choose(table, None if is_main else self._table)
            merging.set_scope(table, complete=False, answered=None, parent=None if is_main else self._table)
            merged = merging.compare(table, held)
            if merged.is_rewritten:
                target = self._folder / f"merged-{table.name}.parquet"
                merging.write(table, target)
                publications.append((target, place.data))
            elif is_main and anew:
                publications.append((anew, place.data))
            if is_main:
                self._replayed.rows = merged.rows
        for unfinished, target in reversed(publications):
            self._put(unfinished, target)

    def _put_beside(self, database: duckdb.DuckDBPyConnection, anew: Path | None) -> None:
        """Accepted records of an observation, in a file of their own: no observation is ever rewritten by another."""
        target = self._folder / f"accepted-{self._held.name}"
        beside = self._held.with_stem(f"{self._held.stem}-replayed") if self._held.exists() else self._held
        earlier = [beside] if beside.exists() else []
        self._write_in_order(database, [*self._buffer.taken.files, *earlier], target)
        self._replayed.rows += self._buffer.taken.received
        self._put(target, beside)
        if anew:
            self._put(anew, self._held)

    def _put_rejects(self, merging: Merge, table: Table) -> None:
        buffer, is_main = self._intake.buffers[table.name], table is self._table
        place = self._rejects if is_main else replace(self._partition, table=table.name).rejected.data
        if not buffer.taken.rejected and not (is_main and place.exists()):
            return
        merging.take_refused(table, buffer.taken.refused_files or [buffer.empty_refusals()])
        target = self._folder / f"rejected-{table.name}-{self._held.name}"
        rows = merging.write_rejected(table, place if not is_main and place.exists() else None, target)
        if not rows:
            lake_files.remove(place)
        elif not _are_the_same(place, target):
            self._put(target, place)

    def _put(self, unfinished: Path, target: Path) -> None:
        self._replayed.is_rewritten = True
        target.parent.mkdir(parents=True, exist_ok=True)
        lake_files.publish(unfinished, target)

    def _interval(self) -> int | None:
        """Seconds between rounds on that day: rejects do not carry it."""
        if self._table.kind == "window" or not self._rejects.exists():
            return None
        files = sorted(self._partition.folder.glob("*.parquet"))
        seconds = [pc.max(pq.read_table(file, columns=["_interval_seconds"])[0]).as_py() for file in files]
        return max(filter(None, seconds), default=None)


def owners(tables: tuple[Table, ...]) -> Iterator[tuple[Table, Table]]:
    """Each table, and the table whose landing writes it; children first, as an accepted parent brings some along."""
    children = {child.name for table in tables for child in table.children}
    for table in tables:
        if table.name not in children:
            yield from ((each, table) for each in reversed(table.tables))


def _batches(rejects: Path) -> Iterator[pa.RecordBatch]:
    """Few at a time: a record may be large."""
    if rejects.exists():
        with pq.ParquetFile(rejects) as file:
            yield from file.iter_batches(_REJECTED_ROWS, use_threads=False)


def _are_the_same(rejects: Path, others: Path) -> bool:
    return all(one == other for one, other in zip_longest(_batches(rejects), _batches(others)))
