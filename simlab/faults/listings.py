"""The faults of a listing: each page is a good page, but together they are not the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Scope

from simlab.api.answers import JSON, encode
from simlab.api.perfecto_reporting import EXPORT, PAGE_SIZE
from simlab.faults.answers import captured
from simlab.faults.kinds import Kind

_MOVED_ROWS = 7  # by which pages overlap or shift, where there are as many
_read = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page of a listing, as it was asked for."""

    listing: str  # the same for every page
    offset: int
    size: int


@dataclass(slots=True)
class Page:
    """One page of the right answer, taken apart."""

    head: Message
    rows: list[msgspec.Raw]
    rest: dict[str, Any]

    @property
    def total(self) -> int | None:
        """Records in all, where the server counts them."""
        return self.rest.get("Total")

    @property
    def says_more(self) -> bool:
        """Whether the page says that another follows."""
        return bool(self.rest.get("metadata", {}).get("truncated"))


def page_request(scope: Scope) -> PageRequest | None:
    """None for what is not a page of a listing."""
    if scope["method"] != "GET":
        return None
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    path = scope["path"]
    if path.endswith(EXPORT):
        number = int(query.pop("_page", "1"))
        return PageRequest(f"{path}?{urlencode(sorted(query.items()))}", (number - 1) * PAGE_SIZE, PAGE_SIZE)
    if path.startswith("/et/") and "$skip" in query and "$top" in query:
        offset, size = int(query.pop("$skip")), int(query.pop("$top"))
        return PageRequest(f"{path}?{urlencode(sorted(query.items()))}", offset, size)
    return None


class Listing:
    """The right listing, of which any part can be looked at, and its wrong page."""

    def __init__(self, app: ASGIApp, scope: Scope, asked: PageRequest) -> None:
        self._app = app
        self._scope = scope
        self._asked = asked

    async def struck(self, kind: Kind, seen: set[int]) -> Response | None:
        """The page as the fault shows it; None where this page of this listing shows nothing of it.

        `seen`: the offsets that this fault made empty already, in this pass.
        """
        asked = self._asked
        page = await self._page(asked.offset)
        if page.head["status"] != 200:
            return None
        start = asked.offset
        match kind:
            case Kind.EMPTY_PAGE:
                return self._empty(page, seen)
            case Kind.ENDLESS_PAGING:
                return await self._endless(page)
            case Kind.OVERLAPPING_PAGES:
                start -= _MOVED_ROWS * (asked.offset // asked.size)
            case Kind.SHIFTING_ROWS:
                start -= _MOVED_ROWS if asked.offset else 0
            case Kind.REPEATED_PAGE:
                start -= asked.size if asked.offset else 0
        if not asked.offset:
            return self._with_more(page) if kind is not Kind.SHIFTING_ROWS else None
        rows = await self._rows(start, asked.size)
        if not rows and kind is Kind.OVERLAPPING_PAGES and asked.offset == asked.size:
            rows = (await self._rows(0, asked.size))[-_MOVED_ROWS:]
        return self._shown(page, rows, says_more=len(rows) == asked.size) if rows else None

    def _with_more(self, page: Page) -> Response | None:
        """A first page that is the last one and says that it is not, so that there is a second."""
        if page.says_more or not page.rows or page.total is not None:
            return None
        return self._shown(page, page.rows, says_more=True)

    def _empty(self, page: Page, seen: set[int]) -> Response | None:
        """An empty page after one that said there were more: once where there are more, for good where there are none."""
        if not self._asked.offset:
            return self._with_more(page)
        if page.rows and self._asked.offset in seen:
            return None
        seen.add(self._asked.offset)
        return self._shown(page, [], says_more=True)

    async def _endless(self, page: Page) -> Response | None:
        """The last page says that more follow; it comes again and again."""
        rows = page.rows
        if not rows:
            count = page.total
            last = self._asked.offset - self._asked.size
            if count is not None:
                last = max(0, count - 1) // self._asked.size * self._asked.size
            while last >= 0 and not (rows := await self._rows(last, self._asked.size)):
                last -= self._asked.size
        return self._shown(page, rows, says_more=True) if rows else None

    async def _rows(self, start: int, size: int) -> list[msgspec.Raw]:
        """Records from `start` on, across the pages of the right listing."""
        first = start // size * size
        rows: list[msgspec.Raw] = []
        for offset in (first, first + size):
            rows += (await self._page(offset)).rows
        return rows[start - first : start - first + size]

    async def _page(self, offset: int) -> Page:
        query = dict(parse_qsl(self._scope["query_string"].decode("latin-1")))
        if "$skip" in query:
            query["$skip"] = str(offset)
        else:
            query["_page"] = str(offset // self._asked.size + 1)
        scope = {**self._scope, "query_string": urlencode(query).encode()}
        head, body = await captured(self._app, scope, _no_body)
        if head["status"] != 200:
            return Page(head, [], {})
        members = _read(body)
        rows = _read_rows(members.pop("Items" if "Items" in members else "resources"))
        rest = {name: msgspec.json.decode(value) for name, value in members.items()}
        return Page(head, rows, rest)

    def _shown(self, page: Page, rows: list[msgspec.Raw], *, says_more: bool) -> Response:
        rest = dict(page.rest)
        if "metadata" in rest:
            return _json({"resources": rows, "metadata": {**rest["metadata"], "truncated": says_more}})
        if says_more and rows and page.total is not None and self._asked.offset + len(rows) >= page.total:
            rest["Total"] = self._asked.offset + len(rows) + self._asked.size
        return _json({**rest, "Items": rows})


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _json(value: object) -> Response:
    return Response(encode(value), media_type=JSON)
