"""What a source says to one question, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import msgspec

NOBODY_ASKED = "nobody was asked"
PAST_RETENTION = "past what the source keeps"
"""In the note of an answer that is not complete and never will be: no address is configured, or the source forgot."""


@dataclass(frozen=True, slots=True)
class Page:
    """Records as the vendor wrote them, with what only the request knew of them."""

    records: Sequence[bytes | msgspec.Raw]
    fetched_at: datetime
    place: msgspec.Struct | None = None
    is_unavailable: bool = False  # the source has nothing (any more) on this place; what is held of it stays


@dataclass(slots=True)
class Answer:
    """A lazy answer: nothing is asked before it is iterated, and it may be iterated once.

    `complete` tells whether everything that matches the question was listed: only then may a held row that is not
    listed be called missing. `answered` narrows that to the parents (assignments) that were listed in full.
    `facts` become metadata; `is_due_again` among them: the source was still preparing what it told. `failure` is why
    a part did not come: a line that is raised once the rest has landed.
    """

    pages: Callable[[Answer], AsyncGenerator[Page]]
    asked_at: datetime
    complete: bool = False
    answered: set[str] | None = None
    note: str | None = None
    failure: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    elsewhere: dict[date, list[Page]] = field(default_factory=dict)  # what changed of other days, by day


def told_already(pages: Sequence[Page], note: str, now: datetime) -> Answer:
    """These pages, and no claim that there is nothing else."""

    async def tell(_answer: Answer) -> AsyncGenerator[Page]:
        for page in pages:
            yield page

    return Answer(tell, now, note=note)


def not_asked(why: str, now: datetime) -> Answer:
    """No record, and no claim that there is none: `why` nobody was asked."""

    return told_already((), why, now)
