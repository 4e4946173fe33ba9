"""Asks a Perfecto cloud's Smart Reporting export (v3) for test executions and for the commands of each.

Bounds compare the test's start, both inclusive; pages are counted from 1 and hold 500; there is no total. The
page's own text has the bounds the wrong way round: every client sends the older one as the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

import msgspec

from pipelines.defs.sources.perfecto_reporting.contract import CommandPlace
from pipelines.lib import user_messages
from pipelines.lib.answer import Answer, Page
from pipelines.lib.http import (
    Fault,
    Http,
    NotFound,
    OutOfRange,
    SourceError,
    connect,
    endpoint,
    utc_now,
)
from pipelines.lib.paging import MOST_PAGES, Novelty, as_they_come, until_complete
from pipelines.settings import PerfectoConnection

_EXPORT = "export/api/v3/test-executions"


@dataclass(frozen=True, slots=True)
class Test:
    """A test whose commands are wanted, and its state as the lake has it."""

    __test__ = False  # pytest: not a test

    id: str
    state: str


class _Metadata(msgspec.Struct, rename="camel", frozen=True):
    processing_status: str | None = None
    truncated: bool | None = None


class _Envelope(msgspec.Struct):
    resources: list[msgspec.Raw]
    metadata: _Metadata = _Metadata()


class _Identified(msgspec.Struct):
    id: str | None = None


_read_envelope = msgspec.json.Decoder(_Envelope).decode
_read_id = msgspec.json.Decoder(_Identified).decode


@asynccontextmanager
async def client(
    connection: PerfectoConnection, clock: Callable[[], datetime] = utc_now
) -> AsyncIterator[PerfectoReporting]:
    """The export of one cloud, for as long as the block lasts."""
    asked = endpoint(
        connection,
        connection.app_url,
        # The other spellings the server takes have underscores, which proxies drop.
        headers={"Perfecto-Authorization": connection.token.get_secret_value()},
        credentials="token",
        complaint=complaint,
    )
    async with connect(asked, clock) as http:
        yield PerfectoReporting(http)


class PerfectoReporting:
    """Answers of one cloud's reporting export."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def test_executions(self, start: datetime, end: datetime) -> Answer:
        """Tests that started in [start, end), with their platforms."""
        window = {
            "startExecutionTime[0]": str(_millis(start)),
            "endExecutionTime[0]": str(_millis(end) - 1),
        }
        return self._http.answer(lambda answer: self._executions(answer, window))

    def commands(self, tests: Iterable[Test]) -> Answer:
        """The commands of each of these tests, in the order in which they come."""
        return self._http.answer(lambda answer: self._commands(answer, list(tests)))

    async def _executions(self, answer: Answer, window: dict[str, str]) -> AsyncGenerator[Page]:
        try:
            async with aclosing(until_complete(answer, lambda _: self._pages(answer, window))) as pages:
                async for page in pages:
                    yield page
        except OutOfRange:
            answer.note = "the source no longer answers for this time; what is held stays"

    async def _pages(self, answer: Answer, window: dict[str, str]) -> AsyncGenerator[Page]:
        """One pass through the window's pages; the next one is asked for while this one is landed."""
        novelty = Novelty()
        upcoming = asyncio.create_task(self._page(window, 1))
        try:
            for number in range(1, MOST_PAGES + 1):
                envelope = await upcoming
                page = Page(envelope.resources, self._http.clock())
                answer.facts["pages"] = number
                answer.facts["processing_status"] = envelope.metadata.processing_status
                if not page.records:
                    answer.complete = True
                    return
                is_new = novelty.is_new([_id(record) for record in page.records])
                if envelope.metadata.truncated and not is_new:
                    answer.note = f"page {number} repeats what came before; what is held stays"
                    return
                if envelope.metadata.truncated:
                    upcoming = asyncio.create_task(self._page(window, number + 1))
                yield page
                if not envelope.metadata.truncated:
                    answer.complete = True
                    return
            answer.note = f"more than {MOST_PAGES} pages; what is held stays"
        finally:
            upcoming.cancel()

    async def _page(self, window: dict[str, str], number: int) -> _Envelope:
        """One page. An empty one is asked for once more, so that a stumble is not taken for the end: a full last page
        says that more follow, and none do.
        """
        asked = {**window, "_page": str(number)}
        envelope = await self._http.get(_EXPORT, asked, _read_envelope)
        if not envelope.resources:
            envelope = await self._http.get(_EXPORT, asked, _read_envelope)
        return envelope

    async def _commands(self, answer: Answer, tests: list[Test]) -> AsyncGenerator[Page]:
        async with aclosing(as_they_come(tests, self._commands_of, self._http.in_flight)) as pages:
            async for page in pages:
                yield page
        answer.complete = True

    async def _commands_of(self, test: Test) -> Page:
        place = CommandPlace(test.id, _test_state=test.state)
        try:
            path = f"{_EXPORT}/{quote(test.id, safe='')}/commands"
            envelope = await self._http.get(path, {}, _read_envelope)
        except NotFound:
            return Page([], self._http.clock(), place, is_unavailable=True)
        return Page(envelope.resources, self._http.clock(), place)


def complaint(status: int, body: bytes) -> Fault | SourceError | None:
    """What `[{"userMessage": ...}]` means; of the export, that it no longer answers for a time, too."""
    if body.lstrip()[:1] == b"[" and b"not in supported range" in body.lower():
        return OutOfRange("the time is out of the range that it keeps")
    return user_messages.complaint(status, body)


def _id(record: msgspec.Raw) -> str:
    """The record's id, or its bytes where it has none: such a record is refused later, and must count here."""
    try:
        return _read_id(record).id or bytes(record).decode(errors="replace")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return bytes(record).decode(errors="replace")


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
