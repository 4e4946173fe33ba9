"""A look at one table of a connection, for `flakehouse doctor`: asks little, changes and keeps nothing.

A source that has a `doctor.py` offers its `client` and its `PROBES` there; nothing is registered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from pipelines.lib.answer import Answer, Page
from pipelines.lib.clock import Clock
from pipelines.lib.contract import Table
from pipelines.lib.source_errors import SourceError
from pipelines.settings import Connection

State = Literal["ok", "off", "partial", "wrong"]
_LONGEST_LOOK = 20.0  # seconds per table; all tables of all connections are looked at side by side
_LONGEST_WAIT = 10.0  # seconds for the next bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look showed: `partial` where the source answers, but not with everything."""

    state: State
    what: str
    advice: str = ""
    clock_skew_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Glance:
    """The beginning of an answer."""

    pages: list[Page]
    complete: bool
    note: str | None
    clock_skew_seconds: float | None

    @property
    def records(self) -> list[bytes | msgspec.Raw]:
        return [record for page in self.pages for record in page.records]

    def finding(self, what: str, *, state: State = "ok", advice: str = "") -> Finding:
        return Finding(state, what, advice, self.clock_skew_seconds)


@dataclass(frozen=True, slots=True)
class Probe:
    """How a table, with those that land with it, is looked at: by its source's client, a connection and the time."""

    table: Table
    look: Callable[[Any, Any, datetime], Awaitable[Finding]]


async def glance(answer: Answer, pages: int | None = 1) -> Glance:
    """Reads so many pages of an answer, or all of it."""
    read: list[Page] = []
    async with aclosing(answer.pages(answer)) as listing:
        async for page in listing:
            read.append(page)
            if len(read) == pages:
                break
    return Glance(read, answer.complete, answer.note, answer.facts.get("clock_skew_seconds"))


async def examined(
    client: Callable[..., AbstractAsyncContextManager[Any]],
    probes: tuple[Probe, ...],
    connection: Connection,
    clock: Clock,
) -> dict[str, Finding]:
    """What each table of one source showed, by the table's name; no problem of one hides another."""
    patient = min(connection.timeout_seconds, _LONGEST_WAIT)
    async with client(connection.model_copy(update={"timeout_seconds": patient}), clock) as source:
        findings = await asyncio.gather(*(_looked(probe, source, connection, clock()) for probe in probes))
    return {
        table.name: finding
        for probe, finding in zip(probes, findings, strict=True)
        for table in probe.table.tables
    }


async def _looked(probe: Probe, source: Any, connection: Connection, now: datetime) -> Finding:
    try:
        async with asyncio.timeout(_LONGEST_LOOK):
            return await probe.look(source, connection, now)
    except SourceError as error:
        return Finding("wrong", str(error))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        what = "it answers, but its records are not as documented"
        return Finding("wrong", what, f"ingest a day and look at {probe.table.name}__rejected")
    except TimeoutError:
        what = f"no usable answer within {_LONGEST_LOOK:g} s"
        return Finding("wrong", what, "check the url, or try again when the server is less busy")
