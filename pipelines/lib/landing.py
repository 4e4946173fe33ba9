"""From a source's answer to the lake: redact, type, flag, batch, spill, merge, publish; in bounded memory.

One record that cannot be typed rejects itself alone. Nothing a reader sees changes before everything has come;
a table that is asked parent by parent keeps what came in a journal, so that an interrupted day resumes.
"""

from __future__ import annotations

import asyncio
import gc
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.lib import lake_files
from pipelines.lib.answer import Answer, Page
from pipelines.lib.columns import TIMESTAMP, Flags
from pipelines.lib.contract import REJECTED_SCHEMA, Reject, Row, Table
from pipelines.lib.merging import NOT_AVAILABLE, PARENT_SEQUENCE, SEQUENCE, Merge, connect

# A batch is large enough for Arrow's per-batch cost to vanish and small enough to hold a few of them.
_BATCH_ROWS = 16_384
_BATCH_BYTES = 32 << 20
_MEMORY_BYTES = 64 << 20  # beyond this, batches are spilled to the disk
_DRIFT_BUDGET = 1_000  # records per answer that are looked through for undeclared fields
_JOURNAL_SECONDS = 10.0  # of asking are lost at most when a run is killed


@dataclass(slots=True)
class Landed:
    """What one answer did to one table's partition."""

    rows: int = 0
    received: int = 0
    added: int = 0
    changed: int = 0
    missing: int = 0
    duplicates: int = 0
    rejected: int = 0
    flagged: Counter[str] = field(default_factory=Counter)
    undeclared: Counter[str] = field(default_factory=Counter)
    is_rewritten: bool = False
    complete: bool = False
    note: str | None = None
    path: str = ""
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


async def merge(
    root: str | Path, table: Table, connection: str, day: date, answer: Answer
) -> dict[str, Landed]:
    """Lands an answer about one day of one connection in a window table and its children."""
    started = time.monotonic()
    partition = lake_files.Partition(Path(root), table.source, table.name, connection, day)
    with lake_files.problems_named(partition.root), lake_files.workspace(partition.root) as folder:
        lake_files.write_schemas(partition.root, *table.tables)
        intake = Intake(table, folder, day, partition.journal if table.asked_by_parent else None)
        try:
            async with aclosing(answer.pages(answer)) as pages:
                async for page in pages:
                    await asyncio.to_thread(intake.add, page)
        except Exception:
            if table.asked_by_parent:
                await asyncio.to_thread(_commit, partition, intake, answer, folder)
            raise
        landed = await asyncio.to_thread(_commit, partition, intake, answer, folder)
    for each in landed.values():
        each.seconds = time.monotonic() - started
    return landed


async def append(
    root: str | Path, table: Table, connection: str, answer: Answer, interval_seconds: int
) -> dict[str, Landed]:
    """Lands one observation in a snapshot table: a file of its own in the UTC day in which it was made."""
    started = time.monotonic()
    base = Path(root)
    day = answer.asked_at.astimezone(UTC).date()
    partition = lake_files.Partition(base, table.source, table.name, connection, day)
    with lake_files.problems_named(base), lake_files.workspace(base) as folder:
        lake_files.write_schemas(base, table)
        intake = Intake(table, folder, None, interval_seconds=interval_seconds)
        async with aclosing(answer.pages(answer)) as pages:
            async for page in pages:
                await asyncio.to_thread(intake.add, page)
        landed = await asyncio.to_thread(_observe, partition, intake, answer, folder)
    landed.seconds = time.monotonic() - started
    return {table.name: landed}


class Intake:
    """Pages of one answer on their way to Arrow batches, for a table and its children."""

    def __init__(
        self,
        table: Table,
        folder: Path,
        day: date | None,
        journal: Path | None = None,
        interval_seconds: int | None = None,
    ) -> None:
        self.table = table
        self.buffers = {
            each.name: _Buffer(each, folder, day, journal, interval_seconds) for each in table.tables
        }
        self._sequence = secrets.randbits(62)
        self._journal = journal
        self._kept_at = time.monotonic()

    def add(self, page: Page) -> None:
        """Takes one page: cut, typed, and handed on to the children."""
        buffer = self.buffers[self.table.name]
        with _collector_paused():
            if page.is_unavailable:
                rows: Iterable[Row | Reject] = [Row(None, page.place, self.table.record())]
            else:
                rows = self._unfolded(page)
            typed = buffer.typed(rows, page.fetched_at)
            self._sequence += len(typed)
            first = self._sequence - len(typed)
            buffer.add(typed, range(first, self._sequence), page.fetched_at, page.is_unavailable)
            for child in self.table.nested:
                self._add_children(child, typed, first, page.fetched_at)
            for each in self.buffers.values():
                each.flush_if_large()
        if self._journal and time.monotonic() - self._kept_at > _JOURNAL_SECONDS:
            self.finish()
            self._kept_at = time.monotonic()

    def finish(self) -> None:
        """Turns what is buffered into a last batch."""
        for buffer in self.buffers.values():
            buffer.flush()

    def _unfolded(self, page: Page) -> Iterable[Row | Reject]:
        records = self.table.redaction.records(page.records)
        whole = [record for record in records if record is not None]
        if len(whole) < len(records):
            error = (
                "is not valid JSON text; its bytes were not kept, as nothing could be cut out of them safely"
            )
            self.buffers[self.table.name].refuse(
                [Reject(b"", page.place, error)] * (len(records) - len(whole)), page.fetched_at
            )
        if self.table.unfold:
            return self.table.unfold(whole, page.place)
        return [Row(record, page.place) for record in whole]

    def _add_children(self, child: Any, parents: Sequence[Row], first: int, fetched_at: datetime) -> None:
        buffer = self.buffers[child.table.name]
        rows: list[Row] = []
        owners: list[int] = []
        for offset, parent in enumerate(parents):
            records = getattr(parent.record, child.attribute)
            for index, raw in enumerate(records or ()):
                rows.append(Row(raw, child.place(parent.record, index)))
                owners.append(first + offset)
        kept: list[int] = []
        typed = buffer.typed(rows, fetched_at, kept)
        self._sequence += len(typed)
        sequence = range(self._sequence - len(typed), self._sequence)
        buffer.add(typed, sequence, fetched_at, False, [owners[i] for i in kept])


class _Buffer:
    """Typed rows of one table until they are a batch; batches until they are a spilled file."""

    def __init__(
        self, table: Table, folder: Path, day: date | None, journal: Path | None, interval_seconds: int | None
    ) -> None:
        self.table = table
        self._interval_seconds = interval_seconds
        self.files: list[Path] = []
        self.batches: list[pa.RecordBatch] = []
        self.refused: list[Reject] = []
        self.refused_at: list[datetime] = []
        self.refused_files: list[Path] = []
        self.received = 0
        self.rejected = 0
        self.flagged: Counter[str] = Counter()
        self.undeclared: Counter[str] = Counter()
        self._folder = folder
        self._journal = journal
        self._day = day
        self._drift_budget = _DRIFT_BUDGET
        self._key_only = _key_decoder(table)
        self._spilled = 0
        self._memory = 0
        self._clear()

    def typed(
        self, rows: Iterable[Row | Reject], fetched_at: datetime, kept: list[int] | None = None
    ) -> list[Row]:
        """Rows with their records; what cannot be typed is refused. `kept` gets the places of those that stay."""
        strict, lenient = self.table.strict_decoder.decode, self.table.decoder.decode
        typed: list[Row] = []
        refused: list[Reject] = []
        for index, row in enumerate(rows):
            if isinstance(row, Reject):
                refused.append(row)
                continue
            record = row.record
            if record is None:
                try:
                    record = strict(row.raw) if self._drift_budget else lenient(row.raw)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    try:
                        record = lenient(row.raw)
                    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                        refused.append(Reject(row.raw or b"", row.place, str(error)))
                        continue
                    self._note_drift(row.raw)
            typed.append(Row(row.raw, row.place, record))
            if kept is not None:
                kept.append(index)
        self.refuse(refused, fetched_at)
        return typed

    def refuse(self, refused: list[Reject], fetched_at: datetime) -> None:
        self.rejected += len(refused)
        self.refused += refused
        self.refused_at += [fetched_at] * len(refused)

    def add(
        self,
        rows: Sequence[Row],
        sequence: Sequence[int],
        fetched_at: datetime,
        unavailable: bool,
        owners: Sequence[int] | None = None,
    ) -> None:
        self.received += len(rows)
        self._rows += rows
        self._sequence += sequence
        self._owners += owners if owners is not None else [0] * len(rows)
        self._fetched_at += [fetched_at] * len(rows)
        self._unavailable += [unavailable] * len(rows)
        self._bytes += sum(len(bytes(row.raw)) if row.raw else 0 for row in rows)

    def flush_if_large(self) -> None:
        if len(self._rows) >= _BATCH_ROWS or self._bytes >= _BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Builds the batch; journals it, or keeps it in memory while there is room."""
        if self.refused and (self._journal or len(self.refused) >= _BATCH_ROWS):
            self.refused_files.append(self._written(self._refusals(), "rejected"))
        if not self._rows:
            return
        batch = self._built()
        self._clear()
        self.batches.append(batch)
        self._memory += batch.nbytes
        if self._journal or self._memory > _MEMORY_BYTES:
            self.files.append(self._written(pa.Table.from_batches(self.batches), "rows"))
            self.batches, self._memory = [], 0

    def fresh(self) -> pa.Table | None:
        """What is still in memory."""
        if self.batches:
            return pa.Table.from_batches(self.batches)
        return None if self.files else self._schema().empty_table()

    def _written(self, rows: pa.Table, kind: str) -> Path:
        self._spilled += 1
        target = self._folder / f"{self.table.name}-{secrets.token_hex(8)}.{kind}.parquet"
        pq.write_table(rows, target, compression="zstd" if self._journal else "lz4")
        if self._journal is None:
            return target
        self._journal.mkdir(parents=True, exist_ok=True)
        kept = self._journal / target.name
        lake_files.publish(target, kept)
        return kept

    def _refusals(self) -> pa.Table:
        rows = [
            {
                "_raw": bytes(r.raw).decode(errors="replace") or None,
                "error": r.error,
                "_place": msgspec.json.encode(r.place).decode() if r.place is not None else None,
                "_parent": getattr(r.place, self.table.parent or "", None),
                "_key": self._key_only(r),
                "_fetched_at": at,
            }
            for r, at in zip(self.refused, self.refused_at, strict=True)
        ]
        self.refused, self.refused_at = [], []
        return pa.Table.from_pylist(rows, REJECTED_SCHEMA)

    def refusals(self) -> pa.Table:
        return self._refusals()

    def _note_drift(self, raw: Any) -> None:
        if self._drift_budget:
            self._drift_budget -= 1
            self.undeclared.update(set(self.table.undeclared(raw)))

    def _clear(self) -> None:
        self._rows: list[Row] = []
        self._sequence: list[int] = []
        self._owners: list[int] = []
        self._fetched_at: list[datetime] = []
        self._unavailable: list[bool] = []
        self._bytes = 0

    def _schema(self) -> pa.Schema:
        return pa.schema(
            [*self.table.schema, pa.field(SEQUENCE, pa.int64()), pa.field(PARENT_SEQUENCE, pa.int64())]
        )

    def _built(self) -> pa.RecordBatch:
        rows = self._rows
        today = max(at.date() for at in self._fetched_at)
        last_day = max(today, self._day) if self._day else today
        flags = Flags(len(rows), _midnight(last_day) + timedelta(days=2))
        flags.add(NOT_AVAILABLE, np.array(self._unavailable, dtype=bool))
        arrays = []
        if self.table.place_columns:
            arrays += self.table.place_columns.arrays([row.place for row in rows if row.place], flags)
        arrays += self.table.record_columns.arrays(
            [row.record for row in rows if row.record is not None], flags
        )
        by_name = dict(
            zip([*self.table.place_fields, *self.table.record_columns.fields], arrays, strict=True)
        )
        self._flag_times({column.name: array for column, array in by_name.items()}, flags)
        for name, mask in flags.masks.items():
            self.flagged[name] += int(mask.sum())
        arrays.append(
            pa.array([bytes(row.raw) if row.raw is not None else None for row in rows], pa.string())
        )
        arrays.append(pa.array(self._fetched_at, TIMESTAMP))
        arrays.append(flags.as_array())
        last = self.table.schema.field(len(arrays)).type  # _missing_since, or _interval_seconds
        arrays.append(pa.array([self._interval_seconds] * len(rows), last))
        arrays.append(pa.array(self._sequence, pa.int64()))
        arrays.append(pa.array(self._owners, pa.int64()))
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema())

    def _flag_times(self, arrays: dict[str, pa.Array], flags: Flags) -> None:
        def micros(name: str) -> tuple[np.ndarray, np.ndarray]:
            array = arrays[name].cast(pa.int64())
            return array.fill_null(0).to_numpy(), array.is_valid().to_numpy(zero_copy_only=False)

        for start, end, flag in self.table.periods:
            (starts, has_start), (ends, has_end) = micros(start), micros(end)
            flags.add(flag, has_start & has_end & (ends < starts))
        if self.table.day_of and self._day:
            times, has_time = micros(self.table.day_of)
            first = int(_midnight(self._day).timestamp() * 1e6)
            stem = self.table.day_of.removesuffix("_time").removesuffix("_at")
            flags.add(f"{stem}_outside_day", has_time & ((times < first) | (times >= first + 86_400_000_000)))


def _commit(
    partition: lake_files.Partition, intake: Intake, answer: Answer, folder: Path
) -> dict[str, Landed]:
    """Merges what came with what is held and publishes it, children first: a parent's children are always there."""
    intake.finish()
    main = intake.table
    landed: dict[str, Landed] = {}
    with lake_files.locked(partition.folder), connect(folder) as database:
        journal = sorted(partition.journal.glob("*.parquet")) if main.asked_by_parent else []
        merging = Merge(database, answer.asked_at)
        plans = []
        for table in main.tables:
            place = replace(partition, table=table.name)
            buffer = intake.buffers[table.name]
            files = [f for f in journal if f.name.endswith(".rows.parquet")] if journal else buffer.files
            refused = (
                [f for f in journal if f.name.endswith(".rejected.parquet")]
                if journal
                else buffer.refused_files
            )
            merging.add_fresh(table, files, buffer.fresh())
            parent = None if table is main else main
            held = place.data if place.data.exists() else None
            schema = lake_files.schema_file(partition.root, table.source, table.name)
            result = Landed(
                received=buffer.received,
                duplicates=merging.choose(table, held, schema, parent),
                rejected=buffer.rejected,
                flagged=buffer.flagged,
                undeclared=buffer.undeclared,
                complete=answer.complete,
                note=answer.note,
                path=str(place.data),
                facts=answer.facts,
            )
            merging.set_scope(table, complete=answer.complete, answered=answer.answered, parent=parent)
            plans.append((table, place, held, refused, buffer))
            landed[table.name] = result
        publications: list[tuple[Path, Path | None, Path]] = []
        for table, place, held, refused, buffer in plans:
            held_rejects = place.rejected.data if place.rejected.data.exists() else None
            rejects = folder / f"{table.name}__rejected.parquet"
            written = merging.write_rejected(table, refused, buffer.refusals(), held_rejects, rejects)
            publications.append((rejects, None if written else held_rejects, place.rejected.data))
            target = folder / f"{table.name}.parquet"
            merged = merging.write(table, held, merging.rejected_keys(table), target)
            result = landed[table.name]
            result.rows, result.added, result.changed = merged.rows, merged.added, merged.changed
            result.missing, result.is_rewritten = merged.missing, merged.is_rewritten
            publications.append((target, None, place.data))
        for unfinished, emptied, target in reversed(publications):
            if unfinished.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                lake_files.publish(unfinished, target)
            elif emptied:
                lake_files.remove(emptied)
        for file in journal:
            lake_files.remove(file)
    return landed


def _observe(partition: lake_files.Partition, intake: Intake, answer: Answer, folder: Path) -> Landed:
    """Publishes one observation, each record once."""
    intake.finish()
    table, buffer = intake.table, intake.buffers[intake.table.name]
    name = f"{answer.asked_at.astimezone(UTC):%H%M%S%f}-{secrets.token_hex(4)}.parquet"
    target, rejects = folder / name, folder / f"rejected-{name}"
    with connect(folder) as database:
        merging = Merge(database, answer.asked_at)
        merging.add_fresh(table, buffer.files, buffer.fresh())
        schema = lake_files.schema_file(partition.root, table.source, table.name)
        duplicates = merging.choose(table, None, schema, None)
        rows = merging.write_fresh(table, target)
        merging.set_scope(table, complete=True, answered=None, parent=None)
        refused = merging.write_rejected(table, buffer.refused_files, buffer.refusals(), None, rejects)
    published = partition.folder / name
    for unfinished, place, count in (
        (rejects, partition.rejected.folder / name, refused),
        (target, published, rows),
    ):
        if count:
            place.parent.mkdir(parents=True, exist_ok=True)
            lake_files.publish(unfinished, place)
    return Landed(
        rows=rows,
        received=buffer.received,
        added=rows,
        duplicates=duplicates,
        rejected=buffer.rejected,
        flagged=buffer.flagged,
        undeclared=buffer.undeclared,
        is_rewritten=bool(rows),
        complete=answer.complete,
        note=answer.note,
        path=str(published),
        facts=answer.facts,
    )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _key_decoder(table: Table) -> Any:
    """The key of a refused record as JSON text, where it can be read at all."""
    members = {member.name: member for member in msgspec.structs.fields(table.record)}
    mine = [members[name] for name in table.key if name in members]
    fields = [(m.name, m.type, msgspec.field(name=m.encode_name)) for m in mine]
    decoder = msgspec.json.Decoder(msgspec.defstruct("KeyOnly", fields))

    def key(refused: Reject) -> str | None:
        try:
            record = decoder.decode(refused.raw) if mine else None
            values = [getattr(record if name in members else refused.place, name) for name in table.key]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, AttributeError):
            return None
        return msgspec.json.encode([None if value is None else str(value) for value in values]).decode()

    return key


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Decoding allocates much and frees nothing: the cyclic collector would look through it again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
