"""Runs: files of rows in the order of their key, and one file made of many by reading each of them forward once.

However many rows there are, only one batch of each run is in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_BATCH_ROWS = 512
_ROW_GROUP_OF_A_RUN = 512  # read forward, many at once: what is open should be small
_ROW_GROUP_OF_A_RESULT = 8_192


def write_run(batches: Sequence[pa.RecordBatch], schema: pa.Schema, key: Sequence[str], file: Path) -> None:
    """Writes these rows in the order of their key, nulls first, for one reader only: with nothing that speeds up many."""
    rows = pa.Table.from_batches(batches, schema)
    order = pc.sort_indices(rows.select(list(key)), [(name, "ascending", "at_start") for name in key])
    pq.write_table(
        rows.take(order),
        file,
        compression="lz4",
        use_dictionary=False,
        write_statistics=False,
        row_group_size=_ROW_GROUP_OF_A_RUN,
    )


class Run:
    """A run that is read forward; columns of a file that is older than the schema are filled with nulls."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._file = pq.ParquetFile(file, pre_buffer=False)
        present = set(self._file.schema_arrow.names)
        columns = [name for name in schema.names if name in present]
        self._batches = self._file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False)
        self._batch = pa.RecordBatch.from_pylist([], schema)
        self._first = 0

    def take(self, rows: np.ndarray) -> pa.Table:
        """These rows, by their number in the file; numbers rise from call to call."""
        pieces, at = [], 0
        while at < len(rows):
            while rows[at] >= self._first + self._batch.num_rows:
                self._first += self._batch.num_rows
                self._batch = conforming(next(self._batches), self._schema)
            end = int(np.searchsorted(rows, self._first + self._batch.num_rows))
            pieces.append(self._batch.take(pa.array(rows[at:end] - self._first)))
            at = end
        return pa.Table.from_batches(pieces, self._schema)

    def close(self) -> None:
        self._file.close()


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
