"""Rows of one table on their way to runs on the disk: typed, flagged, cut into batches, sorted.

One record that cannot be typed refuses itself alone. Memory holds a few batches at most, however many rows come.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.lib import lake_files, runs
from pipelines.lib.columns import TIMESTAMP
from pipelines.lib.contract import REJECTED_SCHEMA, Reject, Table
from pipelines.lib.flags import NOT_AVAILABLE, Flags, flag_times, sane_until
from pipelines.lib.runs import PARENT_SEQUENCE, SEQUENCE

# A batch is large enough for Arrow's cost per batch to vanish, and small enough for its objects to stay in the
# processor's cache until they are columns.
_BATCH_ROWS = 1_024
_BATCH_BYTES = 4 << 20
_REFUSED_BYTES = 8 << 20
_RUN_BYTES = 24 << 20  # of finished batches per table; beyond, they become a run on the disk
_DRIFT_BUDGET, _DRIFT_BUDGET_OF_A_BATCH = 1_000, 50  # records that are looked through for undeclared fields
ROWS, REJECTED = f"rows{runs.SUFFIX}", "rejected.parquet"  # how files in a journal end
UNTYPABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(slots=True)
class Rows:
    """Rows of one table: parallel lists, as a hundred thousand small objects would cost more than their content."""

    raws: list[bytes | None] = field(default_factory=list)
    places: list[msgspec.Struct | None] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)  # sequence numbers of the parents

    def __len__(self) -> int:
        return len(self.records)


@dataclass(slots=True)
class Taken:
    """What came of one table: files of rows and of rejects, and counts."""

    files: list[Path] = field(default_factory=list)
    refused_files: list[Path] = field(default_factory=list)
    received: int = 0
    rejected: int = 0
    flagged: Counter[str] = field(default_factory=Counter)
    undeclared: Counter[str] = field(default_factory=Counter)

    def add(self, other: Taken) -> None:
        self.files += other.files
        self.refused_files += other.refused_files
        self.received += other.received
        self.rejected += other.rejected
        self.flagged += other.flagged
        self.undeclared += other.undeclared


class Buffer:
    """Typed rows of one table until they are a batch; batches until they are a file."""

    def __init__(
        self, table: Table, folder: Path, day: date | None, journal: Path | None, interval_seconds: int | None
    ) -> None:
        self.table = table
        self.taken = Taken()
        self._folder = folder
        self._day = day
        self._journal = journal
        self._interval_seconds = interval_seconds
        self._batches: list[pa.RecordBatch] = []
        self._batches_bytes = 0
        self._refused: list[tuple[Reject, datetime]] = []
        self._refused_bytes = 0
        self._drift_budget = _DRIFT_BUDGET
        self._key_only = _key_reader(table)
        self._schema = runs.schema_of(table)
        self._clear()

    def typed(self, rows: Rows, fetched_at: datetime, known: Sequence[Any] | None = None) -> Rows:
        """The rows with their records; those that cannot be typed are refused."""
        decode = (self.table.strict_decoder if self._drift_budget else self.table.decoder).decode
        if known is None or not any(known):
            try:
                rows.records = [decode(raw) for raw in rows.raws]
            except UNTYPABLE:
                pass  # one of them: which one, and why, is found one by one
            else:
                return rows
        return self._typed_one_by_one(rows, fetched_at, known or [None] * len(rows.raws))

    def refuse(self, refused: Sequence[Reject], fetched_at: datetime) -> None:
        """Keeps what could not be keyed or typed for the table of rejects."""
        self.taken.rejected += len(refused)
        self._refused += [(reject, fetched_at) for reject in refused]
        self._refused_bytes += sum(len(reject.raw) for reject in refused)
        if self._refused_bytes >= _REFUSED_BYTES:
            self._write_refused()

    def add(self, rows: Rows, first: int, fetched_at: datetime, *, unavailable: bool) -> None:
        """Takes typed rows, numbered from `first`."""
        self.taken.received += len(rows)
        self._raws += rows.raws
        self._places += rows.places
        self._records += rows.records
        self._owners += rows.owners or [0] * len(rows)
        self._spans.append((len(rows), first, fetched_at, unavailable))
        self._bytes += sum(map(len, filter(None, rows.raws)))
        if len(self._records) >= _BATCH_ROWS or self._bytes >= _BATCH_BYTES:
            self._make_batch()
            if self._batches_bytes >= _RUN_BYTES:
                self._write_run()

    def flush(self) -> None:
        """Puts what is left in files."""
        self._make_batch()
        self._write_refused()
        if self._batches:
            self._write_run()

    def empty_run(self) -> Path:
        """A run without rows."""
        file = self._unfinished(f"none{runs.SUFFIX}")
        runs.write_run([], self._schema, self.table.key, file)
        return file

    def empty_refusals(self) -> Path:
        """A file of rejects without any."""
        file = self._unfinished(f"none-{REJECTED}")
        pq.write_table(REJECTED_SCHEMA.empty_table(), file)
        return file

    def _typed_one_by_one(self, rows: Rows, fetched_at: datetime, known: Sequence[Any]) -> Rows:
        typed, refused = Rows(), []
        for index, (raw, place, record) in enumerate(zip(rows.raws, rows.places, known, strict=True)):
            if record is None:
                try:
                    record = self._decoded(raw)
                except UNTYPABLE as error:
                    refused.append(Reject(raw or b"", place, str(error)))
                    continue
            typed.raws.append(raw)
            typed.places.append(place)
            typed.records.append(record)
            if rows.owners:
                typed.owners.append(rows.owners[index])
        self.refuse(refused, fetched_at)
        return typed

    def _decoded(self, raw: Any) -> Any:
        """The typed record; undeclared fields are noted, as long as the budget for looking lasts."""
        if not self._drift_budget:
            return self.table.decoder.decode(raw)
        try:
            return self.table.strict_decoder.decode(raw)
        except UNTYPABLE:
            record = self.table.decoder.decode(raw)
        names = set(self.table.undeclared(raw))
        if names <= self.taken.undeclared.keys():
            self._drift_budget -= 1
        self.taken.undeclared.update(names)
        return record

    def _make_batch(self) -> None:
        if self._records:
            self._batches.append(self._built())
            self._batches_bytes += self._batches[-1].nbytes
            self._drift_budget = max(self._drift_budget, _DRIFT_BUDGET_OF_A_BATCH)
            self._clear()

    def _built(self) -> pa.RecordBatch:
        counts, firsts, times, unavailable = zip(*self._spans, strict=True)
        rows = len(self._records)
        flags = Flags(rows, sane_until(max(times), self._day))
        flags.add(NOT_AVAILABLE, np.repeat(np.array(unavailable, bool), counts))
        arrays: dict[str, pa.Array] = {}
        for columns, objects in (
            (self.table.place_columns, self._places),
            (self.table.record_columns, self._records),
        ):
            if columns is not None:
                built = columns.arrays(objects, flags)
                arrays |= {each.name: array for each, array in zip(columns.fields, built, strict=True)}
        flag_times(self.table, self._day, arrays, flags)
        for name, mask in flags.masks.items():
            self.taken.flagged[name] += int(mask.sum())
        micros = np.array([round(time.timestamp() * 1e6) for time in times], np.int64)
        sequence = [np.arange(first, first + count) for first, count in zip(firsts, counts, strict=True)]
        arrays["_raw"] = _texts(self._raws)
        arrays["_fetched_at"] = pa.array(np.repeat(micros, counts)).cast(TIMESTAMP)
        arrays["_issues"] = flags.as_array()
        arrays["_missing_since"] = pa.nulls(rows, TIMESTAMP)
        arrays["_interval_seconds"] = pa.array([self._interval_seconds] * rows, pa.int64())
        arrays[SEQUENCE] = pa.array(np.concatenate(sequence), pa.int64())
        arrays[PARENT_SEQUENCE] = pa.array(self._owners, pa.int64())
        return pa.RecordBatch.from_arrays([arrays[name] for name in self._schema.names], schema=self._schema)

    def _write_run(self) -> None:
        self._write_refused()  # first: by its rows a journal tells what need not be asked again
        unfinished = self._unfinished(ROWS)
        runs.write_run(self._batches, self._schema, self.table.key, unfinished)
        self.taken.files.append(self._kept(unfinished))
        self._batches, self._batches_bytes = [], 0

    def _write_refused(self) -> None:
        if not self._refused:
            return
        rows = [
            {
                "_raw": bytes(reject.raw).decode(errors="replace") or None,
                "error": reject.error,
                "_place": msgspec.json.encode(reject.place).decode() if reject.place is not None else None,
                "_parent": getattr(reject.place, self.table.parent or "", None),
                "_key": self._key_only(reject),
                "_fetched_at": fetched_at,
            }
            for reject, fetched_at in self._refused
        ]
        unfinished = self._unfinished(REJECTED)
        pq.write_table(pa.Table.from_pylist(rows, REJECTED_SCHEMA), unfinished, compression="zstd")
        self.taken.refused_files.append(self._kept(unfinished))
        self._refused, self._refused_bytes = [], 0

    def _unfinished(self, ending: str) -> Path:
        return self._folder / f"{self.table.name}-{secrets.token_hex(8)}.{ending}"

    def _kept(self, unfinished: Path) -> Path:
        if self._journal is None:
            return unfinished
        self._journal.mkdir(parents=True, exist_ok=True)
        kept = self._journal / unfinished.name
        lake_files.publish(unfinished, kept)
        return kept

    def _clear(self) -> None:
        self._raws: list[bytes | None] = []
        self._places: list[Any] = []
        self._records: list[Any] = []
        self._owners: list[int] = []
        self._spans: list[tuple[int, int, datetime, bool]] = []
        self._bytes = 0


def _texts(raws: Sequence[bytes | None]) -> pa.Array:
    """UTF-8 as an Arrow column; `pa.array` would grow its buffers again and again."""
    lengths = np.fromiter((-1 if raw is None else len(raw) for raw in raws), np.int32, len(raws))
    offsets = np.concatenate(([0], np.cumsum(np.maximum(lengths, 0)))).astype(np.int32)
    valid = None if (lengths >= 0).all() else pa.array(lengths >= 0).buffers()[1]
    text = b"".join(filter(None, raws))
    return pa.StringArray.from_buffers(len(raws), pa.py_buffer(offsets), pa.py_buffer(text), valid)


def _key_reader(table: Table) -> Any:
    """Reads the key of a refused record, as JSON text, where it can be read at all."""
    members = {member.name: member for member in msgspec.structs.fields(table.record)}
    mine = [members[name] for name in table.key if name in members]
    fields = [(m.name, m.type, msgspec.field(name=m.encode_name)) for m in mine]
    decoder = msgspec.json.Decoder(msgspec.defstruct("KeyOnly", fields))

    def read(refused: Reject) -> str | None:
        try:
            record = decoder.decode(refused.raw) if mine else None
            values = [getattr(record if name in members else refused.place, name) for name in table.key]
        except (*UNTYPABLE, AttributeError):
            return None
        shown = [value if value is None else str(value) for value in values]
        return msgspec.json.encode(shown).decode()

    return read
