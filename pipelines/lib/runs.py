"""Runs: files of rows in the order of their key, and one file made of many by reading each of them forward once.

A run is Arrow's own format, as it is read once, soon, and by us alone; what readers see is Parquet. However many rows
there are, only one batch of each run is in memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.lib.contract import Table

SUFFIX = ".arrow"
SEQUENCE = "_sequence"  # order of arrival
PARENT_SEQUENCE = "_parent_sequence"  # of the parent record that a child came with
_BATCH_BYTES = 512 << 10  # of a run, of which many are open at once
_ROWS_TOGETHER = 4_096
_BATCH_ROWS_OF_PARQUET = 512
_ROW_GROUP_OF_A_RESULT = 8_192


def schema_of(table: Table) -> pa.Schema:
    """Columns of a run of this table."""
    return pa.schema([*table.schema, pa.field(SEQUENCE, pa.int64()), pa.field(PARENT_SEQUENCE, pa.int64())])


def write_run(batches: Sequence[pa.RecordBatch], schema: pa.Schema, key: Sequence[str], file: Path) -> None:
    """Writes these rows in the order of their key, nulls first."""
    rows = pa.Table.from_batches(batches, schema)
    order = pc.sort_indices(rows.select(list(key)), [(name, "ascending", "at_start") for name in key])
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        rows_of_a_batch = 1 + rows.num_rows * _BATCH_BYTES // max(rows.nbytes, 1)
        writer.write_table(rows.take(order), max_chunksize=rows_of_a_batch)


def places(files: Sequence[Path], schema: pa.Schema) -> pa.RecordBatchReader:
    """These columns of runs, with where each row lies: `run`, by its place in `files`, and `row`."""
    place = [pa.field("run", pa.int32()), pa.field("row", pa.int64())]

    with_place = pa.schema([*schema, *place])

    def batches() -> Iterator[pa.RecordBatch]:
        for run, file in enumerate(files):
            first = 0
            for batch in _together(_batches(file, schema)):
                rows = np.arange(first, first := first + batch.num_rows)
                run_of_each = np.full(batch.num_rows, run, np.int32)
                arrays = [*batch.columns, pa.array(run_of_each), pa.array(rows, pa.int64())]
                yield pa.RecordBatch.from_arrays(arrays, schema=with_place)

    return pa.RecordBatchReader.from_batches(with_place, batches())


def _together(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Larger batches: each one costs DuckDB as much as a thousand rows."""
    some: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        some.append(batch)
        rows += batch.num_rows
        if rows >= _ROWS_TOGETHER:
            yield pa.concat_batches(some)
            some, rows = [], 0
    if some:
        yield pa.concat_batches(some)


class Run:
    """A run, or a Parquet file in the same order, that is read forward."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._batches = _batches(file, schema)
        self._batch = pa.RecordBatch.from_pylist([], schema)
        self._first = 0

    def take(self, rows: np.ndarray) -> pa.Table:
        """These rows, by their number in the file; numbers rise from call to call."""
        pieces, at = [], 0
        while at < len(rows):
            while rows[at] >= self._first + self._batch.num_rows:
                self._first += self._batch.num_rows
                self._batch = next(self._batches)
            end = int(np.searchsorted(rows, self._first + self._batch.num_rows))
            pieces.append(_picked(self._batch, rows[at:end] - self._first))
            at = end
        return pa.Table.from_batches(pieces, self._schema)

    def close(self) -> None:
        self._batches.close()


def _picked(batch: pa.RecordBatch, rows: np.ndarray) -> pa.RecordBatch:
    first, count = int(rows[0]), len(rows)
    return batch.slice(first, count) if rows[-1] - first == count - 1 else batch.take(pa.array(rows))


def _batches(file: Path, schema: pa.Schema) -> Generator[pa.RecordBatch]:
    """The rows of a file with these columns; those that an older file lacks are null."""
    read = _of_run if file.suffix == SUFFIX else _of_parquet
    for batch in read(file, set(schema.names)):
        yield conforming(batch, schema)


def _of_run(file: Path, columns: set[str]) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(file)) as source:
        present = pa.ipc.open_file(source).schema.names
        wanted = [place for place, name in enumerate(present) if name in columns]
        options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=wanted)
        reader = pa.ipc.open_file(source, options=options)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def _of_parquet(file: Path, columns: set[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(file, pre_buffer=False) as source:
        present = [name for name in source.schema_arrow.names if name in columns]
        yield from source.iter_batches(_BATCH_ROWS_OF_PARQUET, columns=present, use_threads=False)


def write_merged(
    files: Sequence[Path], schema: pa.Schema, order: Iterable[pa.RecordBatch], target: Path
) -> None:
    """Writes rows of several runs in this order: batches of (run, row, since).

    `run` is the place of a run in `files`; `since` fills `_missing_since` where that is null.
    """
    runs = [Run(file, schema) for file in files]
    try:
        with (
            pq.ParquetWriter(target, schema, compression="zstd", compression_level=1) as writer,
            ThreadPoolExecutor(1, "writing") as thread,
        ):
            written = thread.submit(int)  # nothing yet; then one batch, while the next is put together
            for batch in order:
                rows = _assembled(runs, batch)
                written.result()
                written = thread.submit(writer.write_table, rows, row_group_size=_ROW_GROUP_OF_A_RESULT)
            written.result()
    finally:
        for run in runs:
            run.close()


def _assembled(runs: Sequence[Run], order: pa.RecordBatch) -> pa.Table:
    which, row = order["run"].to_numpy(), order["row"].to_numpy()
    pieces, places = [], []
    for number in np.unique(which):
        places.append(np.flatnonzero(which == number))
        pieces.append(runs[number].take(row[places[-1]]))
    rows = pa.concat_tables(pieces)
    if len(pieces) > 1:
        rows = rows.take(pa.array(np.argsort(np.concatenate(places))))
    since = order["since"]
    if since.null_count == len(since):
        return rows
    place = rows.schema.get_field_index("_missing_since")
    filled = pc.coalesce(rows["_missing_since"].combine_chunks(), since.cast(rows.schema.field(place).type))
    return rows.set_column(place, rows.schema.field(place), filled)


def conforming(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with these columns; those that it lacks are null."""
    if batch.schema.equals(schema):
        return batch
    arrays = [
        batch[field.name].cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
