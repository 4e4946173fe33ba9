# ruff: noqa: S608  every name in these statements is a contract's own
"""What keeps the lake small and quick: a day's rounds in one file, and age limits where they are set.

No observation is lost or seen twice at any instant: a day's folder is exchanged as a whole
(docs/decisions/0008-a-day-of-rounds-is-exchanged-as-a-folder.md). What killed processes left goes with the workspace.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.lib import lake_files
from pipelines.lib.contract import REJECTED_SCHEMA, Table
from pipelines.lib.lake_files import LakeError, Partition
from pipelines.lib.merging import connect
from pipelines.lib.replaying import partitions_of
from pipelines.lib.runs import conforming

MOST_FILES_OF_AN_OPEN_DAY = 100  # rounds that wait for the day's end, as each file costs a reader some time
_BATCH_ROWS = 8_192
_SORT_MEMORY = "512MB"  # more is spilled


@dataclass(slots=True)
class Kept:
    """What a housekeeping did."""

    compacted: int = 0  # folders whose files became one
    files_before: int = 0  # in those folders
    without_raw: int = 0  # files that lost their `_raw`
    removed: int = 0  # partitions past their age
    problems: list[str] = field(default_factory=list)  # one line per day that was left as it was


def housekeep(
    root: str | Path,
    tables: Iterable[Table],
    now: datetime,
    *,
    keep_days: int | None = None,
    keep_raw_days: int | None = None,
) -> Kept:
    """Tidies the lake beside running ingests. `tables`: those that land by themselves; children come with theirs.

    `keep_days`, `keep_raw_days`: how old a partition, or the records in its `_raw`, may become; no limit by default.
    """
    root, today, kept = Path(root), now.astimezone(UTC).date(), Kept()
    if not root.exists():
        return kept
    with lake_files.problems_named(root), lake_files.workspace(root) as folder:
        for table in tables:
            for partition in _places(root, table):
                age = (today - partition.day).days
                try:
                    if keep_days is not None and age > keep_days:
                        kept.removed += _remove(partition, table, folder)
                        continue
                    if table.kind == "snapshot":
                        _compact(partition, table, folder, kept, is_over=age > 0)
                    if keep_raw_days is not None and age > keep_raw_days:
                        _forget_records(partition, table, folder, kept)
                except LakeError as error:
                    kept.problems.append(str(error))
                except (OSError, duckdb.Error, pa.ArrowException) as error:
                    kept.problems.append(_told(error, partition, table))
    return kept


def _told(error: Exception, partition: Partition, table: Table) -> str:
    """One line that names the file. What reads Parquet often does not, so the day's files are read to find it."""
    if isinstance(error, OSError) and error.filename:
        return str(error)
    for member, _, _ in _members(partition, table):
        for file in _files(member):
            try:
                with pq.ParquetFile(file) as held:
                    for _ in held.iter_batches(_BATCH_ROWS):
                        pass
            except (OSError, pa.ArrowException) as damage:
                return (
                    f"{file} cannot be read ({' '.join(str(damage).split())});"
                    " move it out of the lake, and ingest its day again where the source still tells of it"
                )
    return f"{partition.folder}: {' '.join(str(error).split())}; left as it was"


def _places(root: Path, table: Table) -> list[Partition]:
    """Connections and days of which the lake holds something of the table or its children."""
    found = {(each.connection, each.day) for one in table.tables for each in partitions_of(root, one)}
    return [Partition(root, table.source, table.name, *place) for place in sorted(found)]


def _members(partition: Partition, table: Table) -> Iterator[tuple[Partition, pa.Schema, str]]:
    """The partition of each table that landed with it, and of its rejects, with the order of rows; its own comes last."""
    for each in reversed(table.tables):
        place = replace(partition, table=each.name)
        yield place.rejected, REJECTED_SCHEMA, "_parent, _key, _raw, error, _fetched_at"
        keys = ", ".join(f'"{name}" nulls first' for name in each.key)
        yield place, each.schema, f"{keys}, _fetched_at"


def _files(partition: Partition) -> list[Path]:
    return sorted(partition.folder.glob("*.parquet"))


# --- one file per day ----------------------------------------------------------------------------------------


def _compact(partition: Partition, table: Table, folder: Path, kept: Kept, *, is_over: bool) -> None:
    most = 1 if is_over else MOST_FILES_OF_AN_OPEN_DAY
    for member, _, _ in _members(partition, table):
        if len(_files(member)) > most:
            break
    else:
        return
    name = f"{secrets.token_hex(8)}.parquet"  # none that a reader may have listed before
    with lake_files.locked(partition.folder):
        for member, schema, order in _members(partition, table):
            files = _files(member)
            if len(files) > most:
                anew = folder / f"day-{secrets.token_hex(8)}"
                anew.mkdir()
                _write_in_one(files, schema, order, anew / name, folder)
                _publish_day(member, files, anew)
                kept.compacted += 1
                kept.files_before += len(files)


def _write_in_one(files: Sequence[Path], schema: pa.Schema, order: str, target: Path, folder: Path) -> None:
    """All rows of these files; LakeError if one were lost or came twice."""
    with connect(folder) as database, pq.ParquetWriter(target, schema, compression="zstd") as writer:
        database.execute(f"set memory_limit = '{_SORT_MEMORY}'")
        pq.write_table(schema.empty_table(), folder / "schema.parquet")  # columns that an old file lacks
        rows = database.execute(
            f"""select {", ".join(f'"{name}"' for name in schema.names)}
                from read_parquet($files, union_by_name = true, hive_partitioning = false) order by {order}""",
            {"files": [str(file) for file in (folder / "schema.parquet", *files)]},
        ).to_arrow_reader(_BATCH_ROWS)
        written = 0
        for batch in rows:
            writer.write_batch(conforming(batch, schema))
            written += batch.num_rows
    held = sum(pq.read_metadata(file).num_rows for file in files)
    if written != held:
        raise LakeError(f"{files[0].parent}: {held} rows would have become {written}; left as it was")


def _publish_day(partition: Partition, merged: Sequence[Path], anew: Path) -> None:
    others = {entry.name for entry in partition.folder.iterdir()} - {file.name for file in merged}
    if others:
        raise LakeError(f"{partition.folder}: {min(others)} is not ours; move it elsewhere")
    lake_files.publish_folder(anew, partition.folder)


# --- age limits ----------------------------------------------------------------------------------------------


def _remove(partition: Partition, table: Table, folder: Path) -> int:
    """Takes the day away from readers, table by table, each at once; the number of partitions."""
    removed = 0
    with lake_files.locked(partition.folder):
        for member, _, _ in _members(partition, table):
            removed += bool(_files(member))
            for place in (member.journal, member.folder):
                if place.exists():
                    lake_files.withdraw_folder(place, folder / f"old-{secrets.token_hex(8)}")
    return removed


def _forget_records(partition: Partition, table: Table, folder: Path, kept: Kept) -> None:
    if not any(_has_raw(file) for member, _, _ in _members(partition, table) for file in _files(member)):
        return
    with lake_files.locked(partition.folder):
        for member, _, _ in _members(partition, table):
            for file in filter(_has_raw, _files(member)):
                target = folder / f"{secrets.token_hex(8)}.parquet"
                _write_without_raw(file, target)
                lake_files.publish(target, file)
                kept.without_raw += 1


def _has_raw(file: Path) -> bool:
    """Whether any row still has its record; told by the file's statistics."""
    metadata = pq.read_metadata(file)
    names = metadata.schema.to_arrow_schema().names
    if "_raw" not in names or not metadata.num_rows:
        return False
    column = next(n for n in range(metadata.num_columns) if metadata.schema.column(n).path == "_raw")
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        statistics = group.column(column).statistics
        if statistics is None or statistics.null_count != group.num_rows:
            return True
    return False


def _write_without_raw(file: Path, target: Path) -> None:
    with (
        pq.ParquetFile(file) as held,
        pq.ParquetWriter(target, held.schema_arrow, compression="zstd") as writer,
    ):
        place = held.schema_arrow.get_field_index("_raw")
        for batch in held.iter_batches(_BATCH_ROWS, use_threads=False):
            nothing = pa.nulls(batch.num_rows, batch.schema.field(place).type)
            writer.write_batch(batch.set_column(place, batch.schema.field(place), nothing))
