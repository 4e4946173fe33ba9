"""A process that lands some days and is killed at a chosen operation: a request, a write, a rename, a removal.

Each operation is noted in a file before it happens, so that whoever looks later sees where it ended.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipelines.lib import http, lake_files, landing, runs
from tests.proofs.landing_everything import clock_at, connections_of, land_days

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.proofs.crashing"])


@dataclass(frozen=True)
class Work:
    """What to land, and where."""

    connections: str
    lake: Path
    days: Sequence[date]
    now: int


@dataclass(frozen=True)
class Kill:
    """Before the n-th such operation, or after it; a file that is written then is cut in half."""

    operation: str
    number: int  # from 1
    is_after: bool


@dataclass(frozen=True)
class Ended:
    """How a process ended, and the operations that it began."""

    exit_code: int | None
    operations: tuple[str, ...]

    def was_killed_between_first_request_and_last_commit(self, commits: int) -> bool:
        """`commits`: how many there are in an undisturbed run; the last is done once its file is renamed."""
        begun = [number for number, operation in enumerate(self.operations) if operation == "commit"]
        is_before_end = len(begun) < commits or "rename" not in self.operations[begun[-1] :]
        return self.exit_code == -signal.SIGKILL and "request" in self.operations and is_before_end


def run(work: Work, journal: Path, kill: Kill | None = None) -> Ended:
    """Lands in a process of its own."""
    journal.unlink(missing_ok=True)
    process = _processes.Process(target=_land, args=(work, journal, kill))
    process.start()
    process.join(120)
    if process.is_alive():
        process.kill()
        raise AssertionError("a landing hangs")
    return Ended(process.exitcode, tuple(journal.read_text().split()))


def _land(work: Work, journal: Path, kill: Kill | None) -> None:
    watch = Watch(journal, kill)
    watch.every(os, "replace", "rename")
    watch.every(os, "fsync", "sync")
    watch.every(os, "unlink", "remove")
    watch.every(
        lake_files, "publish", lambda arguments: "keep" if ".landing" in str(arguments[1]) else "commit"
    )
    watch.every(runs, "write_run", "write", torn=lambda arguments: arguments[3])
    watch.every(pq, "write_table", "write", torn=lambda arguments: arguments[1])
    watch.every(pq.ParquetWriter, "write_table", "append", torn=lambda arguments: arguments[0].where)
    watch.requests()
    landing._JOURNAL_SECONDS = 0.02
    asyncio.run(land_days(connections_of(work.connections), work.lake, work.days, clock_at(work.now)))


class Watch:
    def __init__(self, journal: Path, kill: Kill | None) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._kill = kill
        self._begun: Counter[str] = Counter()

    def every(
        self,
        owner: Any,
        name: str,
        operation: str | Callable[[tuple[Any, ...]], str],
        torn: Callable[[tuple[Any, ...]], Any] | None = None,
    ) -> None:
        real = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            is_last = self._begins(operation if isinstance(operation, str) else operation(arguments))
            result = real(*arguments, **named)
            if is_last:
                if torn and os.path.exists(file := torn(arguments)):  # noqa: PTH110
                    os.truncate(file, os.path.getsize(file) // 2)  # noqa: PTH202
                _die()
            return result

        setattr(owner, name, watched)

    def requests(self) -> None:
        real = http.Http._exchanged

        async def watched(source: http.Http, *arguments: Any) -> Any:
            is_last = self._begins("request")
            answer = await real(source, *arguments)
            if is_last:
                _die()
            return answer

        http.Http._exchanged = watched

    def _begins(self, operation: str) -> bool:
        """Notes the operation; whether the end comes right after it."""
        self._begun[operation] += 1
        os.write(self._journal, f"{operation}\n".encode())
        if self._kill is None or (operation, self._begun[operation]) != (
            self._kill.operation,
            self._kill.number,
        ):
            return False
        if not self._kill.is_after:
            _die()
        return True


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
