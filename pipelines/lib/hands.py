"""Who takes the pages of an answer: a thread here, and once the answer turns out large, a process for every core."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pipelines.lib.answer import Page
from pipelines.lib.intake import Intake
from pipelines.lib.intake_process import IntakeProcess

T = TypeVar("T")
_LARGE = 4_000  # records: to take them lasts as long as to start processes
_PROCESSES = min(os.cpu_count() or 1, 4)
_ROWS_OF_A_HANDFUL = 1 << 24  # more than come of the pages that are handed on together


async def in_thread(thread: Executor, work: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, work, *arguments)


@dataclass(slots=True)
class _Hand:
    """One who takes: the next pages are handed to it when it has taken those before."""

    intake: Intake | IntakeProcess
    thread: Executor
    taken: asyncio.Future[None] = field(default_factory=lambda: asyncio.ensure_future(asyncio.sleep(0)))


class Hands:
    """Takes the pages of one answer, as many at once as there are hands."""

    def __init__(self, intake: Intake, thread: Executor) -> None:
        self._intake = intake
        self._here = _Hand(intake, thread)
        self._processes: list[_Hand] = []
        # Where each parent is a request of its own, asking takes longer than taking.
        self._may_have_processes = _PROCESSES > 1 and not intake.table.asked_by_parent
        self._records = 0
        self._sequence = secrets.randbits(61)  # those of two landings that share a journal must not meet

    @property
    def are_free(self) -> bool:
        """Whether pages need not wait."""
        return any(hand.taken.done() for hand in self._at_work)

    async def take(self, pages: Sequence[Page]) -> None:
        """Returns when somebody is at these pages."""
        if not self.are_free:
            await asyncio.wait([hand.taken for hand in self._at_work], return_when=asyncio.FIRST_COMPLETED)
        hand = next(hand for hand in self._at_work if hand.taken.done())
        await hand.taken
        hand.taken = asyncio.ensure_future(in_thread(hand.thread, hand.intake.add, pages, self._sequence))
        self._sequence += _ROWS_OF_A_HANDFUL
        self._records += sum(len(page.records) for page in pages)
        if self._may_have_processes and self._records > _LARGE and not self._processes:
            self._processes = [
                _Hand(IntakeProcess(self._intake), ThreadPoolExecutor(1, "handing"))
                for _ in range(_PROCESSES)
            ]

    async def finish(self) -> None:
        """Returns when all that was taken is in files, or in the buffers of the intake."""
        for hand in (self._here, *self._processes):
            await hand.taken
        here = in_thread(self._here.thread, self._intake.finish)
        there = [in_thread(hand.thread, hand.intake.hand_over) for hand in self._processes]
        _, *told = await asyncio.gather(here, *there)
        for taken in told:
            for name, of_table in taken.items():
                self._intake.buffers[name].taken.add(of_table)

    async def close(self) -> None:
        """Ends the processes, whatever they are at."""
        for hand in self._processes:
            hand.intake.kill()
        await asyncio.gather(*(hand.taken for hand in self._processes), return_exceptions=True)
        for hand in self._processes:
            hand.intake.close()
            hand.thread.shutdown()

    @property
    def _at_work(self) -> list[_Hand]:
        """A thread at work here would keep the one that asks the source from its turn."""
        return self._processes or [self._here]
