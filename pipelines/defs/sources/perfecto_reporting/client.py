"""Asks a Perfecto cloud's Smart Reporting export (v3) for test executions and for the commands of each.

Bounds compare the test's start, both inclusive; pages are counted from 1 and hold 500; there is no total. The
page's own text has the bounds the wrong way round: every client sends the older one as the start.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

import msgspec

from pipelines.defs.sources.perfecto_reporting.contract import CommandPlace
from pipelines.defs.sources.perfecto_reporting.span import Span
from pipelines.lib import user_messages
from pipelines.lib.answer import PAST_RETENTION, Answer, Page
from pipelines.lib.clock import Clock, utc_now
from pipelines.lib.http import Http, connect, endpoint
from pipelines.lib.paging import MOST_PAGES, Novelty, as_they_come, side_by_side, until_complete
from pipelines.lib.source_errors import Fault, NotFound, OutOfRange, SourceError
from pipelines.settings import PerfectoConnection

_EXPORT = "export/api/v3/test-executions"
_PAGES_IN_A_ROW = (
    5  # then a span is split: nobody says how many follow, and rows move between pages meanwhile
)
# Results may be missing that long after a test's end: the vendor's own clients wait for them for two minutes.
_PREPARED_WITHIN = timedelta(minutes=10)
_PROCESSING = "PROCESSING"  # the `processingStatus` of an answer that lacks results, videos or artifacts yet


@dataclass(frozen=True, slots=True)
class Test:
    """A test whose commands are wanted, and its state as the lake has it."""

    __test__ = False  # pytest: not a test

    id: str
    state: str
    ended_at: datetime | None = None

    def has_just_ended(self, now: datetime) -> bool:
        return self.ended_at is not None and now < self.ended_at + _PREPARED_WITHIN


class _Metadata(msgspec.Struct, rename="camel", frozen=True):
    processing_status: str | None = None
    truncated: bool | None = None


class _Envelope(msgspec.Struct):
    resources: list[msgspec.Raw]
    metadata: _Metadata = _Metadata()


class _Identified(msgspec.Struct, rename="camel"):
    id: str | None = None
    start_time: int | float | str | None = None


_read_envelope = msgspec.json.Decoder(_Envelope).decode
_read_identified = msgspec.json.Decoder(_Identified).decode


@asynccontextmanager
async def client(connection: PerfectoConnection, clock: Clock = utc_now) -> AsyncIterator[PerfectoReporting]:
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
        span = Span.between(start, end)
        return self._http.answer(lambda answer: self._executions(answer, span))

    def commands(self, tests: Iterable[Test]) -> Answer:
        """The commands of each of these tests, in the order in which they come."""
        return self._http.answer(lambda answer: self._commands(answer, list(tests)))

    async def _executions(self, answer: Answer, whole: Span) -> AsyncGenerator[Page]:
        """The pages of the span and of its parts; complete when each of them was listed to its end."""
        answer.facts |= {"pages": 0, "spans": 0, "is_due_again": False}
        walked: list[Answer] = []

        async def walk(span: Span) -> AsyncGenerator[Page | Span]:
            part = Answer(lambda part: self._span(answer, part, span), self._http.clock())
            walked.append(part)
            answer.facts["spans"] = len(walked)
            async with aclosing(part.pages(part)) as found:
                async for each in found:
                    yield each

        async with aclosing(side_by_side(whole, walk, self._http.in_flight)) as pages:
            async for page in pages:
                yield page
        answer.complete = all(part.complete for part in walked)
        answer.note = next((part.note for part in walked if part.note), None)

    async def _span(self, answer: Answer, part: Answer, span: Span) -> AsyncGenerator[Page | Span]:
        try:
            async with aclosing(until_complete(part, lambda _: self._pages(answer, part, span))) as found:
                async for each in found:
                    yield each
        except OutOfRange:
            part.note = f"the day is {PAST_RETENTION} (its retention); what is held stays"

    async def _pages(self, answer: Answer, part: Answer, span: Span) -> AsyncGenerator[Page | Span]:
        """One pass through the span's pages; where there are many, through a few of them, and then its parts."""
        novelty = Novelty()
        starts: list[int] = []
        for number in range(1, MOST_PAGES + 1):
            envelope = await self._page(span, number)
            page = Page(envelope.resources, self._http.clock())
            answer.facts["pages"] += 1
            if not answer.facts["is_due_again"]:
                answer.facts["processing_status"] = envelope.metadata.processing_status
                answer.facts["is_due_again"] = envelope.metadata.processing_status == _PROCESSING
            if not page.records:
                part.complete = True
                return
            tests = [_identified(record) for record in page.records]
            if envelope.metadata.truncated and not novelty.is_new([test.id or "" for test in tests]):
                part.note = f"page {number} repeats what came before; what is held stays"
                return
            yield page
            starts += [test.start_time for test in tests if isinstance(test.start_time, int)]
            if not envelope.metadata.truncated:
                part.complete = True
                return
            if number == _PAGES_IN_A_ROW and (parts := span.parts(starts)):
                for each in parts:
                    yield each
                part.complete = True  # as far as it goes: each part says so for itself
                return
        part.note = f"more than {MOST_PAGES} pages; what is held stays"

    async def _page(self, span: Span, number: int) -> _Envelope:
        """One page. An empty one is asked for once more, so that a stumble is not taken for the end: a full last page
        says that more follow, and none do.
        """
        asked = {**span.bounds, "_page": str(number)}
        envelope = await self._http.get(_EXPORT, asked, _read_envelope)
        if not envelope.resources:
            envelope = await self._http.get(_EXPORT, asked, _read_envelope)
        return envelope

    async def _commands(self, answer: Answer, tests: list[Test]) -> AsyncGenerator[Page]:
        async with aclosing(as_they_come(answer, tests, self._commands_of, self._http.in_flight)) as pages:
            async for page in pages:
                yield page
        answer.complete = answer.failure is None

    async def _commands_of(self, test: Test) -> Page:
        place = CommandPlace(test.id, _test_state=test.state)
        try:
            path = f"{_EXPORT}/{quote(test.id, safe='')}/commands"
            envelope = await self._http.get(path, {}, _read_envelope)
        except NotFound:
            return Page([], self._http.clock(), place, is_unavailable=True)
        if envelope.metadata.processing_status == _PROCESSING or (
            not envelope.resources and test.has_just_ended(self._http.clock())
        ):
            place = CommandPlace(test.id, _test_state=f"{test.state}/{_PROCESSING}")  # no test's: still due
        return Page(envelope.resources, self._http.clock(), place)


def complaint(status: int, body: bytes) -> Fault | SourceError | None:
    """What `[{"userMessage": ...}]` means; of the export, that it no longer answers for a time, too."""
    if body.lstrip()[:1] == b"[" and b"not in supported range" in body.lower():
        return OutOfRange("the time is out of the range that it keeps")
    return user_messages.complaint(status, body)


def _identified(record: msgspec.Raw) -> _Identified:
    """The record's id and start, or its bytes as the id: such a record is refused later, and must count here."""
    try:
        found = _read_identified(record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _Identified()
    return found if found.id else _Identified(bytes(record).decode(errors="replace"))
