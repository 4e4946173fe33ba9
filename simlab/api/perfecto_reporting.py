"""Perfecto Smart Reporting export v3: test executions, and the commands of one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simlab.api.answers import JSON, Refusal, encode, user_message
from simlab.api.perfecto_cloud import PerfectoCloud
from simlab.api.perfecto_filters import Query, parse
from simlab.api.perfecto_oddities import REPEATED_ON_NEXT_PAGE
from simlab.api.perfecto_records import encode_test, is_processing, is_settled, shown_from, version_at
from simlab.api.perfecto_steps import encode_steps
from simlab.clock import DAY, day_of
from simlab.world.model import TestRun

PAGE_SIZE = 500
KEPT_RECORDS = 40_000  # about 2.5 KB each once shown
EXPORT = "/app/export/api/v3/test-executions"


class Listed:
    """One run and its bytes as last shown, which are good as long as its version is the same."""

    __slots__ = ("_body", "_version", "run", "shown_from")

    def __init__(self, run: TestRun) -> None:
        self.run = run
        self.shown_from = shown_from(run)
        self._version: tuple[bool, bool, int] | None = None
        self._body = b""

    def body(self, connection: str, now: int) -> bytes:
        """The record as JSON."""
        version = version_at(self.run, now)
        if version != self._version:
            self._body = encode_test(self.run, connection, now)
            self._version = version
        return self._body


class Shelf:
    """The runs of a cloud by day, newest days kept while they fit."""

    def __init__(self, cloud: PerfectoCloud) -> None:
        self._cloud = cloud
        self._days: OrderedDict[date, tuple[list[int], list[Listed]]] = OrderedDict()
        self._kept = 0

    def day(self, day: date) -> tuple[list[int], list[Listed]]:
        """Starts, and runs, of a day, oldest first."""
        if day in self._days:
            self._days.move_to_end(day)
            return self._days[day]
        listed = sorted(
            (Listed(run) for run in self._cloud.world.test_runs(day)), key=lambda e: e.run.started_at
        )
        self._days[day] = ([entry.run.started_at for entry in listed], listed)
        self._kept += len(listed)
        while self._kept > KEPT_RECORDS and len(self._days) > 1:
            self._kept -= len(self._days.popitem(last=False)[1][1])
        return self._days[day]

    def newest_first(self, start: int, end: int) -> Iterator[Listed]:
        """Runs that started in the window, both ends included, newest first; days are opened as they are reached."""
        world = self._cloud.world
        first = max(day_of(start), world.first_day())
        day = min(day_of(end), world.last_day())
        while day >= first:
            starts, listed = self.day(day)
            low, high = bisect_left(starts, start), bisect_right(starts, end)
            yield from reversed(listed[low:high])
            day -= timedelta(days=1)


class Export:
    """The two resources of the export."""

    def __init__(self, cloud: PerfectoCloud) -> None:
        self._cloud = cloud
        self._shelf = Shelf(cloud)
        self._listings: OrderedDict[tuple[int, int], list[Listed]] = OrderedDict()

    async def test_executions(self, request: Request) -> Response:
        """A page of up to 500. `truncated` is true on every full page, also where nothing follows."""
        user = self._cloud.user(request)
        now = self._cloud.clock.now()
        query = parse(request.query_params.multi_items())
        first = (query.page - 1) * PAGE_SIZE
        page = self._page(query, now, first)
        bodies = [entry.body(self._cloud.connection, now) for entry in page]
        metadata = {
            "createdAt": now,
            "apiVersion": "v1",
            "userId": user,
            "tenantId": self._cloud.tenant,
            "processingStatus": "PROCESSING"
            if any(is_processing(entry.run, now) for entry in page)
            else "PROCESSING_COMPLETE",
            "page": query.page,
            "truncated": len(page) == PAGE_SIZE,
        }
        body = b"".join((b'{"resources":[', b",".join(bodies), b'],"metadata":', encode(metadata), b"}"))
        return Response(body, media_type=JSON)

    def _page(self, query: Query, now: int, first: int) -> list[Listed]:
        """The entries of a page. A short past window that is paged through is listed once, as nothing in it moves."""
        key = (query.start or 0, query.end or now)
        if key in self._listings and not query.conditions:
            self._refuse_forgotten(query, now)
            return self._listings[key][first : first + PAGE_SIZE]
        entries = _with_repeats(self._matches(query, now))
        if query.page == 1 or query.conditions or key[1] >= now or key[1] - key[0] > DAY:
            return list(islice(entries, first, first + PAGE_SIZE))
        listing = list(entries)
        if all(entry.shown_from <= now for entry in self._shelf.newest_first(*key)):
            self._listings[key] = listing
            while len(self._listings) > 1 and sum(map(len, self._listings.values())) > KEPT_RECORDS:
                self._listings.popitem(last=False)
        return listing[first : first + PAGE_SIZE]

    def _refuse_forgotten(self, query: Query, now: int) -> None:
        forgotten_before = self._cloud.forgotten_before(now)
        if query.start is not None and forgotten_before is not None and query.start < forgotten_before:
            raise Refusal(user_message(400, "Time period is not in supported range"))

    def _matches(self, query: Query, now: int) -> Iterator[Listed]:
        self._refuse_forgotten(query, now)
        start = query.start if query.start is not None else self._cloud.forgotten_before(now) or 0
        end = now if query.end is None else min(query.end, now)
        connection = self._cloud.connection
        if query.ids:
            runs = (self._cloud.world.test_run(test_id) for test_id in query.ids)
            entries = iter(
                [Listed(run) for run in runs if run is not None and start <= run.started_at <= end]
            )
        else:
            entries = self._shelf.newest_first(start, end)
        if not query.conditions:
            return (entry for entry in entries if entry.shown_from <= now)
        return (e for e in entries if e.shown_from <= now and query.matches(e.run, now, connection))

    async def commands(self, request: Request) -> Response:
        """The steps and commands of one test; those not begun yet are not shown. 404 for unknown and forgotten."""
        user = self._cloud.user(request)
        now = self._cloud.clock.now()
        run = self._cloud.world.test_run(request.path_params["test_id"])
        forgotten_before = self._cloud.forgotten_before(now)
        if (
            run is None
            or shown_from(run) > now
            or (forgotten_before is not None and run.started_at < forgotten_before)
        ):
            return user_message(404, "Test execution was not found")
        steps = encode_steps(
            run, self._cloud.world.steps(run), self._cloud.connection, now, is_settled(run, now)
        )
        metadata = {"createdAt": str(now), "apiVersion": "v1", "userId": user, "tenantId": self._cloud.tenant}
        return Response(b'{"resources":' + steps + b',"metadata":' + encode(metadata) + b"}", media_type=JSON)


def _with_repeats(entries: Iterator[Listed]) -> Iterator[Listed]:
    """Entries so marked come again at the head of the next page, where enough follow for there to be one."""
    due: list[Listed] = []
    repeats: list[Listed] = []
    position = 0
    for entry in entries:
        if position % PAGE_SIZE == 0:
            due, repeats = repeats, []
            for repeat in due:
                yield repeat
                position += 1
        yield entry
        position += 1
        if entry.run.oddity == REPEATED_ON_NEXT_PAGE:
            repeats.append(entry)


def routes(cloud: PerfectoCloud) -> list[Route]:
    """Routes below the cloud's prefix."""
    export = Export(cloud)
    return [
        Route(EXPORT, export.test_executions),
        Route(EXPORT + "/{test_id}/commands", export.commands),
    ]
