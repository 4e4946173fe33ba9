"""Listings: guards against those that do not end, and many questions under way at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import TypeVar

from pipelines.lib.answer import Answer, Page
from pipelines.lib.source_errors import SourceError

Q = TypeVar("Q")
A = TypeVar("A")
S = TypeVar("S")
T = TypeVar("T")

# Ten million records of 500 a page; a listing longer than that is a server that has lost count.
MOST_PAGES = 20_000
# A listing whose pages do not fit together is read again from its first page, so many times in all.
MOST_PASSES = 4
_RECENT_PAGES = 3
# One thing that cannot be read says nothing of the others; when so many in a row cannot, it is the server.
_FAILURES_IN_A_ROW = 5


class Novelty:
    """Remembers which pages were seen: all of them as one number each, the recent ones record by record."""

    def __init__(self) -> None:
        self._pages: set[int] = set()
        self._recent: deque[frozenset[str]] = deque(maxlen=_RECENT_PAGES)

    def is_new(self, ids: Sequence[str]) -> bool:
        """Whether this page brings a record that neither an equal page nor the last few pages brought."""
        page = frozenset(ids)
        digest = hash(page)
        known = digest in self._pages or page <= frozenset().union(*self._recent)
        self._pages.add(digest)
        self._recent.append(page)
        return not known


async def until_complete(
    answer: Answer, one_pass: Callable[[Answer], AsyncGenerator[T]]
) -> AsyncGenerator[T]:
    """Goes through a listing again, from its start, until it ends as it should, a few times at most.

    A pass says how it ended in `answer.complete` and `answer.note`; records that come twice are one row.
    """
    for _ in range(MOST_PASSES):
        answer.complete, answer.note = False, None
        async with aclosing(one_pass(answer)) as pages:
            async for page in pages:
                yield page
        if answer.complete:
            return


async def as_they_come(
    answer: Answer, questions: Iterable[Q], ask: Callable[[Q], Awaitable[A]], in_flight: int
) -> AsyncIterator[A]:
    """The answers in the order in which they come, at most `in_flight` of them asked for and as many waiting.

    A question that the source fails stops no other: in the end `answer.failure` says so. Where several in a row fail,
    or all do, or anything else goes wrong, that is raised, after the answers that came before it were handed on.
    """
    waiting = iter(questions)
    results: asyncio.Queue[tuple[A] | Exception | None] = asyncio.Queue(maxsize=in_flight)

    async def work() -> None:
        try:
            for question in waiting:
                try:
                    await results.put((await ask(question),))
                except SourceError as error:
                    await results.put(error)
        except Exception as error:  # noqa: BLE001  raised where the answers are read
            await results.put(error)
        await results.put(None)

    workers = [asyncio.create_task(work()) for _ in range(in_flight)]
    failures: list[SourceError] = []
    answered = in_a_row = 0
    try:
        working = len(workers)
        while working:
            result = await results.get()
            if isinstance(result, SourceError):
                failures.append(result)
                in_a_row += 1
                if in_a_row == _FAILURES_IN_A_ROW:
                    raise result
            elif isinstance(result, Exception):
                raise result
            elif result is None:
                working -= 1
            else:
                answered, in_a_row = answered + 1, 0
                yield result[0]
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    if failures and not answered:
        raise failures[0]
    if failures:
        asked = len(failures) + answered
        answer.failure = (
            f"{failures[0]} ({len(failures)} of {asked} questions; what the others brought is kept)"
        )


async def side_by_side(
    whole: S, walk: Callable[[S], AsyncGenerator[Page | S]], in_flight: int
) -> AsyncGenerator[Page]:
    """The pages of a span, at most `in_flight` of its parts walked at once.

    A walk yields pages, and the parts into which its span falls, which are then walked as well. The first walk that
    fails ends it.
    """
    spans: asyncio.Queue[S] = asyncio.Queue()
    results: asyncio.Queue[Page | Exception | None] = asyncio.Queue(maxsize=1)
    spans.put_nowait(whole)

    async def work() -> None:
        while True:
            span = await spans.get()
            try:
                async with aclosing(walk(span)) as found:
                    async for each in found:
                        await (results if isinstance(each, Page) else spans).put(each)
            except Exception as error:  # noqa: BLE001  raised where the pages are read
                await results.put(error)
            spans.task_done()

    async def end() -> None:
        await spans.join()
        await results.put(None)

    tasks = [asyncio.create_task(each) for each in (end(), *(work() for _ in range(in_flight)))]
    try:
        while (result := await results.get()) is not None:
            if isinstance(result, Exception):
                raise result
            yield result
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
