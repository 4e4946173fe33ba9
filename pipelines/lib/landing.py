"""From a source's answer to the lake: intake, merge, publish.

Nothing that a reader sees changes before everything has come. A table that is asked parent by parent keeps what
came in a journal meanwhile, so that an interrupted day resumes.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.lib import lake_files, runs
from pipelines.lib.answer import Answer, Page
from pipelines.lib.buffer import REJECTED, ROWS, Buffer
from pipelines.lib.contract import Table
from pipelines.lib.hands import Hands, in_thread
from pipelines.lib.intake import Intake
from pipelines.lib.lake_files import Partition
from pipelines.lib.merging import Merge, connect
from pipelines.lib.source_errors import SourceError

_RECORDS_TOGETHER = 250  # are worth to be handed on; of small pages, many together
_RECORDS_WAITING = 500  # that came and nobody is free to take; then the source waits
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


class PartlyLanded(SourceError):  # noqa: N818  what happened, in plain words
    """Some of what was asked for did not come; the rest has landed."""

    def __init__(self, line: str, landed: dict[str, Landed]) -> None:
        super().__init__(line)
        self.landed = landed


async def merge(
    root: str | Path, table: Table, connection: str, day: date, answer: Answer
) -> dict[str, Landed]:
    """Lands an answer about one day of one connection in a window table and its children."""
    started = time.monotonic()
    partition = Partition(Path(root), table.source, table.name, connection, day)
    with _place(partition.root) as (folder, worker):
        lake_files.write_schemas(partition.root, *table.tables)
        intake = Intake(table, folder, day=day, journal=partition.journal if table.asked_by_parent else None)
        try:
            await _take(answer, intake, worker)
        except Exception:
            if table.asked_by_parent:
                await in_thread(worker, _commit, partition, intake, answer, folder)
            raise
        landed = await in_thread(worker, _commit, partition, intake, answer, folder)
    return _ended(answer, landed, started)


async def append(
    root: str | Path, table: Table, connection: str, answer: Answer, interval_seconds: int | None
) -> dict[str, Landed]:
    """Lands one observation in a snapshot table: a file of its own in the UTC day in which it was made."""
    started = time.monotonic()
    day = answer.asked_at.astimezone(UTC).date()
    partition = Partition(Path(root), table.source, table.name, connection, day)
    with _place(partition.root) as (folder, worker):
        lake_files.write_schemas(partition.root, table)
        intake = Intake(table, folder, interval_seconds=interval_seconds)
        await _take(answer, intake, worker)
        landed = await in_thread(worker, _observe, partition, intake, answer, folder)
    return _ended(answer, {table.name: landed}, started)


def so_far(partition: Partition, table: Table, *columns: str) -> pa.RecordBatchReader:
    """These columns of all that came for a partition, merged or still in its journal.

    To be read under the partition's lock: a merge takes the journal away.
    """
    files = [partition.data] if partition.data.exists() else []
    files += sorted(partition.journal.glob(f"*{ROWS}"))
    return runs.places(files, pa.schema([table.schema.field(name) for name in columns]))


def _ended(answer: Answer, landed: dict[str, Landed], started: float) -> dict[str, Landed]:
    for each in landed.values():
        each.seconds = time.monotonic() - started
    if answer.failure:
        raise PartlyLanded(answer.failure, landed)
    return landed


@contextmanager
def _place(root: Path) -> Iterator[tuple[Path, Executor]]:
    """A folder for unfinished files, and one thread to work in while the next page is on its way.

    Always the same thread: memory that is taken in one and freed in another is not given back.
    """
    with (
        lake_files.problems_named(root),
        lake_files.workspace(root) as folder,
        ThreadPoolExecutor(1, "landing") as worker,
    ):
        yield folder, worker


async def _take(answer: Answer, intake: Intake, worker: Executor) -> None:
    """Hands pages on as soon as they are some and somebody is free."""
    kept_at = time.monotonic()
    came: list[Page] = []
    hands = Hands(intake, worker)
    try:
        async with aclosing(answer.pages(answer)) as pages:
            async for page in pages:
                came.append(page)
                is_kept_now = intake.table.asked_by_parent and time.monotonic() - kept_at > _JOURNAL_SECONDS
                waiting = sum(len(each.records) for each in came)
                are_enough = waiting >= _RECORDS_TOGETHER and hands.are_free
                if is_kept_now or are_enough or waiting > _RECORDS_WAITING:
                    await hands.take(came)
                    came = []
                if is_kept_now:
                    await hands.finish()
                    kept_at = time.monotonic()
    finally:
        try:
            await hands.take(came)
            await hands.finish()
        finally:
            await hands.close()


def _commit(partition: Partition, intake: Intake, answer: Answer, folder: Path) -> dict[str, Landed]:
    """Merges what came with what is held, and publishes it, children first: a parent's children are always there."""
    intake.finish()
    main = intake.table
    landed: dict[str, Landed] = {}
    publications: list[tuple[Path, Path]] = []
    writes: list[Future[None]] = []
    with (
        lake_files.locked(partition.folder),
        connect(folder) as database,
        ThreadPoolExecutor(1, "merged") as writer,
    ):
        journal = sorted(partition.journal.glob("*")) if main.asked_by_parent else None
        merging = Merge(database, answer.asked_at)
        for table in main.tables:
            buffer, parent = intake.buffers[table.name], None if table is main else main
            place = replace(partition, table=table.name)
            files, refused = _files(buffer, journal)
            held, held_rejects = _existing(place.data), _existing(place.rejected.data)
            schema = lake_files.schema_file(partition.root, table.source, table.name)
            merging.take(table, files, held, schema)
            merging.take_refused(table, refused)
            duplicates = merging.choose(table, parent)
            merging.set_scope(table, complete=answer.complete, answered=answer.answered, parent=parent)
            merged = merging.compare(table, held)
            landed[table.name] = _landed(buffer, answer, place.data)
            landed[table.name].rows = merged.rows
            landed[table.name].added = merged.added
            landed[table.name].changed = merged.changed
            landed[table.name].missing = merged.missing
            landed[table.name].duplicates = duplicates
            landed[table.name].is_rewritten = merged.is_rewritten
            if merged.is_rewritten:
                target = folder / f"{table.name}.parquet"
                writes.append(writer.submit(merging.write, table, target))
                publications.append((target, place.data))
            rejects = folder / f"{table.name}__rejected.parquet"
            if merging.write_rejected(table, held_rejects, rejects) or held_rejects:
                publications.append((rejects, place.rejected.data))
        for write in writes:
            write.result()
        for unfinished, target in reversed(publications):
            _publish(unfinished, target)
        for file in journal or ():
            lake_files.remove(file)
    return landed


def _observe(partition: Partition, intake: Intake, answer: Answer, folder: Path) -> Landed:
    """Publishes one observation, each record once."""
    intake.finish()
    table = intake.table
    buffer = intake.buffers[table.name]
    name = f"{answer.asked_at.astimezone(UTC):%H%M%S%f}-{secrets.token_hex(4)}.parquet"
    target, rejects = folder / name, folder / f"rejected-{name}"
    landed = _landed(buffer, answer, partition.folder / name)
    with connect(folder) as database:
        merging = Merge(database, answer.asked_at)
        schema = lake_files.schema_file(partition.root, table.source, table.name)
        files, refused = _files(buffer, None)
        merging.take(table, files, None, schema)
        merging.take_refused(table, refused)
        landed.duplicates = merging.choose(table, None)
        merging.set_scope(table, complete=True, answered=None, parent=None)
        landed.rows = landed.added = merging.compare(table, None).rows
        publications: list[tuple[Path, Path]] = []
        if merging.write_rejected(table, None, rejects):
            publications.append((rejects, partition.rejected.folder / name))
        if landed.rows:
            merging.write(table, target)
            publications.append((target, partition.folder / name))
            landed.is_rewritten = True
    if publications:
        with lake_files.locked(partition.folder):  # the day's rounds may be being put into one file
            for unfinished, place in publications:
                _publish(unfinished, place)
    return landed


def _landed(buffer: Buffer, answer: Answer, path: Path) -> Landed:
    return Landed(
        received=buffer.taken.received,
        rejected=buffer.taken.rejected,
        flagged=buffer.taken.flagged,
        undeclared=buffer.taken.undeclared,
        complete=answer.complete,
        note=answer.note,
        path=str(path),
        facts=answer.facts,
    )


def _files(buffer: Buffer, journal: list[Path] | None) -> tuple[list[Path], list[Path]]:
    """Runs and rejects: this landing's own, or whatever lies in the journal.

    That holds those of earlier landings too, and none of this one's that another has merged meanwhile.
    """
    if journal is not None:
        rows = [file for file in journal if file.name.endswith(ROWS)]
        refused = [file for file in journal if file.name.endswith(REJECTED)]
    else:
        rows, refused = buffer.taken.files, buffer.taken.refused_files
    return rows or [buffer.empty_run()], refused or [buffer.empty_refusals()]


def _existing(file: Path) -> Path | None:
    return file if file.exists() else None


def _publish(unfinished: Path, target: Path) -> None:
    """Puts a file in place; one that was not written is a table that has become empty."""
    if unfinished.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        lake_files.publish(unfinished, target)
    else:
        lake_files.remove(target)
