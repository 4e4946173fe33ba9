"""Asks an Enterprise Tester server for script runs and for what they belong to.

Runs are listed per assignment, which is the truth; projects and assignments lead to them. Assignments come from a
search index that may lag behind, so a run is only called missing where its own assignment was listed in full.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import quote

import msgspec
from aiohttp import encode_basic_auth

from pipelines.defs.sources.enterprise_tester.contract import ProjectPlace
from pipelines.lib.answer import Answer, Page
from pipelines.lib.clock import Clock, utc_now
from pipelines.lib.http import Http, connect, endpoint
from pipelines.lib.paging import MOST_PAGES, as_they_come, until_complete
from pipelines.lib.source_errors import NotAuthorised, NotFound, Refused, ServerFailed, SourceError
from pipelines.settings import EnterpriseTesterConnection

# The vendor's own client asks for 100; the largest size that is allowed is not documented.
_PAGE_SIZE = 100
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class _Envelope(msgspec.Struct, rename="pascal"):
    items: list[msgspec.Raw]
    total: int | None = None


class _Named(msgspec.Struct, rename="pascal"):
    id: str = ""
    name: str = ""


class _Dated(msgspec.Struct, rename="pascal"):
    created_at: str | None = None
    last_updated_at: str | None = None


_read_envelope = msgspec.json.Decoder(_Envelope).decode
_read_named = msgspec.json.Decoder(_Named).decode
_read_dated = msgspec.json.Decoder(_Dated).decode


@asynccontextmanager
async def client(
    connection: EnterpriseTesterConnection, clock: Clock = utc_now
) -> AsyncIterator[EnterpriseTester]:
    """One server, for as long as the block lasts."""
    login = encode_basic_auth(
        connection.username.get_secret_value(), connection.password.get_secret_value(), "utf-8"
    )
    asked = endpoint(
        connection,
        f"{connection.url}/api",
        credentials="username and password",
        headers={"Authorization": login},
    )
    async with connect(asked, clock) as http:
        yield EnterpriseTester(http, connection.projects)


@dataclass(frozen=True, slots=True)
class _Listed:
    """The runs of one assignment: all of them, or why not."""

    assignment_id: str
    pages: list[Page]
    refusal: SourceError | None = None
    is_whole: bool = True
    elsewhere: tuple[tuple[date, Page], ...] = ()  # runs of other days that changed in the one asked for


class EnterpriseTester:
    """Answers of one server."""

    def __init__(self, http: Http, projects: list[str] | None) -> None:
        self._http = http
        self._wanted = projects
        self._takes_filters = True

    def projects(self) -> Answer:
        """The projects that are read."""
        return self._http.answer(self._projects)

    def execution_packages(self) -> Answer:
        """Every execution package of those projects."""
        return self._http.answer(
            lambda answer: self._of_projects(answer, "executionpackages", {}, with_place=False)
        )

    def script_assignments(self) -> Answer:
        """Every script assigned in those projects."""
        return self._http.answer(self._assignments)

    def script_runs(self, start: datetime, end: datetime) -> Answer:
        """The runs that were created in [start, end), with their steps; elsewhere, those that were changed then."""
        return self._http.answer(lambda answer: self._runs(answer, start, end))

    def runs_of(self, assignment_id: str) -> Answer:
        """The runs of one assignment, whenever they were created."""
        resource = f"scriptassignment/{quote(assignment_id, safe='')}/runs"
        return self._http.answer(lambda answer: self._listing(answer, resource, {}))

    async def _projects(self, answer: Answer) -> AsyncGenerator[Page]:
        seen: set[str] = set()
        async for page in self._listing(answer, "projects", {}):
            records = []
            for record in page.records:
                name = _name(record).name
                if self._wanted is None or name in self._wanted:
                    records.append(record)
                seen.add(name)
            yield Page(records, page.fetched_at)
        unseen = sorted(set(self._wanted or ()) - seen)
        if unseen:
            advice = f"correct projects; visible are: {', '.join(sorted(filter(None, seen))) or 'none'}"
            raise self._http.problem(Refused, f"this user sees no project {', '.join(unseen)}", advice)

    async def _of_projects(
        self, answer: Answer, resource: str, parameters: Mapping[str, str], *, with_place: bool
    ) -> AsyncGenerator[Page]:
        """A listing by query language, project by project."""
        projects = {}
        async for page in self._projects(answer):
            projects |= {bytes(record): _name(record) for record in page.records}
        whole = answer.complete
        for project in projects.values():
            place = ProjectPlace(project.id, project.name) if with_place else None
            asked = {"tql": f"Project = {_tql_value(project)}", **parameters}
            async for page in self._listing(answer, resource, asked):
                yield Page(page.records, page.fetched_at, place)
            whole = whole and answer.complete
        answer.complete = whole

    def _assignments(self, answer: Answer) -> AsyncGenerator[Page]:
        return self._of_projects(answer, "scriptassignments", {"$expand": "Package"}, with_place=True)

    async def _runs(self, answer: Answer, start: datetime, end: datetime) -> AsyncGenerator[Page]:
        assignments: dict[str, ProjectPlace] = {}
        async for page in self._assignments(answer):
            if isinstance(page.place, ProjectPlace):
                assignments |= {_name(record).id.lower(): page.place for record in page.records}
        assignments.pop("", None)
        answered: set[str] = set()
        unread: list[SourceError] = []

        async def ask(item: tuple[str, ProjectPlace]) -> _Listed:
            return await self._runs_of(item[0], item[1], start, end)

        listings = as_they_come(answer, assignments.items(), ask, self._http.in_flight)
        async with aclosing(listings):
            async for listed in listings:
                if listed.refusal is not None:
                    unread.append(listed.refusal)
                elif listed.is_whole:
                    answered.add(listed.assignment_id)
                for day, page in listed.elsewhere:
                    answer.elsewhere.setdefault(day, []).append(page)
                for page in listed.pages:
                    yield page
        if unread and len(unread) == len(assignments):
            raise unread[0]
        answer.answered = answered
        answer.facts["assignments"] = len(assignments)
        answer.complete = answer.complete and len(answered) == len(assignments)
        if len(answered) < len(assignments):
            answer.note = f"{len(assignments) - len(answered)} assignments could not be read in full; what is held stays"

    async def _runs_of(
        self, assignment_id: str, place: ProjectPlace, start: datetime, end: datetime
    ) -> _Listed:
        """One assignment's runs that were created or changed in the window. The filter is an optimisation: without it,
        all runs are looked through.
        """
        resource = f"scriptassignment/{quote(assignment_id, safe='')}/runs"
        is_asked_for = " or ".join(
            f"({column} ge datetime'{_literal(start)}' and {column} lt datetime'{_literal(end)}')"
            for column in ("CreatedAt", "LastUpdatedAt")
        )
        asked = {"$expand": "StepResults"}
        try:
            if self._takes_filters:
                try:
                    return await self._day(
                        resource, asked | {"$filter": is_asked_for}, assignment_id, place, start, end
                    )
                except (Refused, NotAuthorised, ServerFailed) as error:
                    if error.status not in (400, 403, 500):
                        raise
                listed = await self._day(resource, asked, assignment_id, place, start, end)
                self._takes_filters = False
                return listed
            return await self._day(resource, asked, assignment_id, place, start, end)
        except NotFound as error:
            return _Listed(assignment_id, [], error)
        except NotAuthorised as error:
            if error.status != 403:
                raise
            return _Listed(assignment_id, [], error)

    async def _day(
        self,
        resource: str,
        parameters: Mapping[str, str],
        assignment_id: str,
        place: ProjectPlace,
        start: datetime,
        end: datetime,
    ) -> _Listed:
        part = Answer(lambda answer: self._listing(answer, resource, parameters), self._http.clock())
        pages: list[Page] = []
        elsewhere: list[tuple[date, Page]] = []
        async for page in part.pages(part):
            records = []
            for record in page.records:
                if _is_within(record, start, end):
                    records.append(record)
                elif day := _day_changed(record, start, end):
                    elsewhere.append((day, Page([record], page.fetched_at, place)))
            if records:
                pages.append(Page(records, page.fetched_at, place))
        return _Listed(assignment_id, pages, is_whole=part.complete, elsewhere=tuple(elsewhere))

    def _listing(self, answer: Answer, resource: str, parameters: Mapping[str, str]) -> AsyncGenerator[Page]:
        """All pages of a collection; complete when as many came as the server counts."""
        return until_complete(answer, lambda _: self._pages(answer, resource, parameters))

    async def _pages(
        self, answer: Answer, resource: str, parameters: Mapping[str, str]
    ) -> AsyncGenerator[Page]:
        """One pass by `$skip`, which counts the different records that came, as pages may overlap."""
        got: set[int] = set()
        total: int | None = None
        for number in range(MOST_PAGES):
            window = {"$top": str(_PAGE_SIZE), "$skip": str(len(got)), "$inlinecount": "allpages"}
            envelope = await self._http.get(resource, {**parameters, **window}, _read_envelope)
            if number and envelope.total != total:
                answer.note = f"{resource}: {envelope.total} records after {total}; what is held stays"
                return
            total, before = envelope.total, len(got)
            got.update(hash(bytes(item)) for item in envelope.items)
            if len(got) > before:
                yield Page(envelope.items, self._http.clock())
            if not envelope.items if total is None else len(got) >= total:
                answer.complete = True
                return
            if len(got) == before:
                answer.note = f"{resource}: {len(got)} of {total} records came; what is held stays"
                return
        answer.note = f"{resource}: more than {MOST_PAGES} pages; what is held stays"


def _name(record: bytes | msgspec.Raw) -> _Named:
    try:
        return _read_named(record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Named()


def _is_within(record: bytes | msgspec.Raw, start: datetime, end: datetime) -> bool:
    """Whether the run was created in the window, or last changed in it where its creation cannot be read."""
    created, changed = _dates(record)
    moment = created or changed
    return moment is None or start <= moment < end  # one that says nothing will be refused, with its reason


def _day_changed(record: bytes | msgspec.Raw, start: datetime, end: datetime) -> date | None:
    """The day of a run that was created at another time and last changed in the window."""
    created, changed = _dates(record)
    is_changed = created and changed and start <= changed < end
    return created.astimezone(UTC).date() if is_changed else None


def _dates(record: bytes | msgspec.Raw) -> tuple[datetime | None, datetime | None]:
    try:
        dated = _read_dated(record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, None
    return _moment(dated.created_at), _moment(dated.last_updated_at)


def _moment(text: str | None) -> datetime | None:
    """A time that can be believed: .NET writes the year 1 for none."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if moment.year >= 2000 else None


def _literal(moment: datetime) -> str:
    """OData 2 and 3 write UTC times without a zone; no example of this server's is public."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _tql_value(project: _Named) -> str:
    """The project by its id, which needs no quoting; by its name where the id is none."""
    if _GUID.fullmatch(project.id):
        return f"'{project.id}'"
    return '"' + project.name.replace("\\", "\\\\").replace('"', '\\"') + '"'
