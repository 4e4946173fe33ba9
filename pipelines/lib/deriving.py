"""Rows anew from the `_raw` that they carry, by the contract as it is now."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from pipelines.lib import runs
from pipelines.lib.buffer import UNTYPABLE
from pipelines.lib.contract import Reject, Table
from pipelines.lib.flags import NOT_AVAILABLE, Flags, flag_times, sane_until

_KEPT = ("_fetched_at", "_missing_since", "_interval_seconds")
_FLAGS_OF_A_COLUMN = ("missing", "not_a_time", "out_of_range", "not_integer", "not_boolean")


class Derived(NamedTuple):
    """A batch anew: its rows in their order, what the contract refuses now, and how many rows carry no record."""

    rows: pa.RecordBatch
    refused: list[tuple[Reject, datetime]]
    without_raw: int


def derived(table: Table, day: date | None, batch: pa.RecordBatch) -> Derived:
    """What only the answer knew (place, times, that there was nothing) is kept; the rest follows from `_raw`."""
    held = {name: batch.column(name) for name in batch.schema.names}
    raws: list[bytes | None] = (
        held["_raw"].cast(pa.binary()).to_pylist() if "_raw" in held else [None] * batch.num_rows
    )
    times: list[datetime] = held["_fetched_at"].to_pylist()
    markers = _markers(table, held, raws)
    with_raw = [index for index, raw in enumerate(raws) if raw is not None]
    cut: dict[int, bytes | None] = dict(
        zip(with_raw, table.redaction.records([raws[index] for index in with_raw]), strict=True)
    )
    records: dict[int, msgspec.Struct] = {}
    refused = []
    for index in range(batch.num_rows):
        if markers[index]:
            records[index] = table.record()
        elif index in cut:
            try:
                records[index] = table.decoder.decode(cut[index] or b"")
            except UNTYPABLE as error:
                place = _place(table, held, index)
                refused.append((Reject(cut[index] or b"", place, str(error)), times[index]))
    groups: dict[datetime, list[int]] = defaultdict(list)
    for index in records:
        groups[sane_until(times[index], day)].append(index)
    pieces = [
        _group(
            table, day, batch, indices, until, [records[i] for i in indices], [cut.get(i) for i in indices]
        )
        for until, indices in groups.items()
    ]
    lost = [index for index, raw in enumerate(raws) if raw is None and not markers[index]]
    pieces.append(_as_far_as_it_goes(batch.take(pa.array(lost, pa.int64())), table.schema))
    order = np.argsort(np.array([*(i for indices in groups.values() for i in indices), *lost], np.int64))
    rows = pa.Table.from_batches(pieces, table.schema).take(pa.array(order)).combine_chunks().to_batches()
    return Derived(rows[0] if rows else pieces[-1], refused, len(lost))


def _as_far_as_it_goes(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Rows without a record, in today's columns; a value that today's type cannot hold is null."""
    arrays = []
    for field in schema:
        array = pa.nulls(batch.num_rows, field.type)
        if field.name in batch.schema.names:
            with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
                array = batch.column(field.name).cast(field.type)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _markers(table: Table, held: dict[str, pa.Array], raws: Sequence[bytes | None]) -> list[bool]:
    """Rows without a record of their own: of tables that unfold, those that say that there was nothing inside."""
    if table.unfold is None:
        return [False] * len(raws)
    keys = [held[name].is_valid().to_pylist() for name in table.key]
    return [raw is None or not all(known) for raw, *known in zip(raws, *keys, strict=True)]


def _group(
    table: Table,
    day: date | None,
    batch: pa.RecordBatch,
    indices: list[int],
    until: datetime,
    records: list[msgspec.Struct],
    raws: list[bytes | None],
) -> pa.RecordBatch:
    """Rows that were fetched on one day: what is a sane time depends on it."""
    held = batch.take(pa.array(indices, pa.int64()))
    kept = {*(field.name for field in table.place_fields), *_KEPT}
    schema = pa.schema([field for field in table.schema if field.name in kept])
    arrays = dict(zip(schema.names, runs.conforming(held, schema).columns, strict=True))
    flags = Flags(len(indices), until)
    issues = held.column("_issues").to_pylist()
    for name in (NOT_AVAILABLE, *_flags_of_place(table)):
        flags.add(name, np.array([name in (row or ()) for row in issues], dtype=bool))
    columns = table.record_columns
    arrays |= {f.name: a for f, a in zip(columns.fields, columns.arrays(records, flags), strict=True)}
    flag_times(table, day, arrays, flags)
    arrays["_raw"] = pa.array(raws, pa.string())
    arrays["_issues"] = flags.as_array()
    return pa.RecordBatch.from_arrays([arrays[name] for name in table.schema.names], schema=table.schema)


def _flags_of_place(table: Table) -> list[str]:
    """Flags that came with the place, which is not derived anew, in the order in which they were raised."""
    names = []
    for field in table.place_fields:
        stem = field.name.removesuffix("_time").removesuffix("_at")
        names += [
            f"{base}_{flag}" for base in dict.fromkeys((stem, field.name)) for flag in _FLAGS_OF_A_COLUMN
        ]
    return names


def _place(table: Table, held: dict[str, pa.Array], index: int) -> msgspec.Struct | None:
    """The place as the request knew it, by its columns."""
    if table.place is None:
        return None

    def value(name: str) -> Any:
        known = held[name][index].as_py() if name in held else None
        if isinstance(known, datetime):
            return round(known.timestamp() * 1000)
        number = f"{name}_number"
        return held[number][index].as_py() if known is None and number in held else known

    return table.place(**{member.name: value(member.name) for member in msgspec.structs.fields(table.place)})
