"""Pages on their way to a table and its children: cut, and handed to the buffer of each."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from itertools import islice
from pathlib import Path

from pipelines.lib.answer import Page
from pipelines.lib.buffer import Buffer, Rows, Taken
from pipelines.lib.contract import Child, Reject, Table


class Intake:
    """Takes the pages of one answer, for a table and its children."""

    def __init__(
        self,
        table: Table,
        folder: Path,
        *,
        day: date | None = None,
        journal: Path | None = None,
        interval_seconds: int | None = None,
    ) -> None:
        self.table = table
        self.work = {"folder": folder, "day": day, "journal": journal, "interval_seconds": interval_seconds}
        self.buffers = {each.name: Buffer(each, **self.work) for each in table.tables}
        self._sequence = secrets.randbits(62)  # those of two processes that share a journal must not meet

    def add(self, pages: Sequence[Page], sequence: int | None = None) -> None:
        """Takes pages, and hands their children on. Small pages are best taken together.

        `sequence` is where their place in the order of arrival begins, if others take pages of the answer, too.
        """
        self._sequence = sequence or self._sequence
        with _collector_paused():
            cut = iter(self.table.redaction.records([record for page in pages for record in page.records]))
            for page in pages:
                typed = self._typed(page, list(islice(cut, len(page.records))))
                first = self._add(self.table, typed, page)
                for child in self.table.nested:
                    self._add(child.table, self._children(child, typed, first, page.fetched_at), page)

    def add_again(self, page: Page) -> None:
        """Takes records that were refused before; of a table that unfolds its records, unfolded ones as they are."""
        keys = [getattr(page.place, name, None) for name in self.table.key]
        if self.table.unfold is None or None in keys:
            self.add([page])
            return
        with _collector_paused():
            rows = Rows(list(map(bytes, page.records)), [page.place] * len(page.records))
            self._add(self.table, self.buffers[self.table.name].typed(rows, page.fetched_at), page)

    def finish(self) -> None:
        """Turns what is left into last batches."""
        for buffer in self.buffers.values():
            buffer.flush()

    def hand_over(self) -> dict[str, Taken]:
        """Finishes, and forgets, what was taken: by table, all of it in files."""
        taken = {}
        for name, buffer in self.buffers.items():
            buffer.flush()
            taken[name], buffer.taken = buffer.taken, Taken()
        return taken

    def _add(self, table: Table, rows: Rows, page: Page) -> int:
        first = self._sequence
        self._sequence += len(rows)
        self.buffers[table.name].add(rows, first, page.fetched_at, unavailable=page.is_unavailable)
        return first

    def _typed(self, page: Page, cut: Sequence[bytes | None]) -> Rows:
        buffer = self.buffers[self.table.name]
        if page.is_unavailable:
            return Rows([None], [page.place], [self.table.record()])
        raws = [record for record in cut if record is not None]
        if len(raws) < len(cut):
            error = "not JSON text; its bytes are not kept, as nothing could be cut out of them safely"
            lost = [Reject(b"", page.place, error)] * (len(cut) - len(raws))
            buffer.refuse(lost, page.fetched_at)
        if self.table.unfold is None:
            return buffer.typed(Rows(raws, [page.place] * len(raws)), page.fetched_at)
        rows, known, refused = Rows(), [], []
        for row in self.table.unfold(raws, page.place):
            if isinstance(row, Reject):
                refused.append(row)
                continue
            rows.raws.append(row.raw if row.raw is None else bytes(row.raw))
            rows.places.append(row.place)
            known.append(row.record)
            if row.undeclared:
                buffer.taken.undeclared.update(row.undeclared)
        buffer.refuse(refused, page.fetched_at)
        return buffer.typed(rows, page.fetched_at, known)

    def _children(self, child: Child, parents: Rows, first: int, fetched_at: datetime) -> Rows:
        rows = Rows()
        for offset, parent in enumerate(parents.records):
            raws = getattr(parent, child.attribute)
            if raws:
                rows.raws += map(bytes, raws)
                rows.places += [child.place(parent, index) for index in range(len(raws))]
                rows.owners += [first + offset] * len(raws)
        return self.buffers[child.table.name].typed(rows, fetched_at)


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
