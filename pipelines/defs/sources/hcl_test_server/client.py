"""Asks an HCL DevOps Test Hub (OneTest Server) for executions, their logs, agents and docker hosts.

Without `execution.status` only active executions are listed, whatever else is asked. Nothing is paged. Whether the
date filters include their bounds is not documented: each is asked a little wider, and what lies outside is left out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import msgspec

from pipelines.defs.sources.hcl_test_server.contract import ENDED, DockerHostPlace, LogPlace, ProjectPlace
from pipelines.defs.sources.hcl_test_server.token import AccessToken
from pipelines.lib.answer import Answer, Page
from pipelines.lib.clock import Clock, utc_now
from pipelines.lib.http import Http, connect, endpoint
from pipelines.lib.paging import as_they_come
from pipelines.lib.source_errors import NotFound
from pipelines.settings import HclConnection

_OVERLAP = timedelta(minutes=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class FailedExecution:
    """An execution whose log is wanted."""

    id: str
    project_id: str


class _Dated(msgspec.Struct, rename="camel"):
    status: str | None = None
    start_date: str | None = None
    completion_date: str | None = None


class _Enveloped(msgspec.Struct, rename="camel"):
    data: list[msgspec.Raw] | None = None
    content: list[msgspec.Raw] | None = None
    total: int | None = None
    total_elements: int | None = None


class _Identified(msgspec.Struct):
    id: int


@dataclass(frozen=True, slots=True)
class _Listing:
    records: list[msgspec.Raw]
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one project said to all of its questions."""

    project_id: str
    pages: list[Page]
    is_whole: bool = True
    refusal: NotFound | None = None


_read_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_enveloped = msgspec.json.Decoder(_Enveloped).decode
_read_dated = msgspec.json.Decoder(_Dated).decode
_read_id = msgspec.json.Decoder(_Identified).decode
_as_json = msgspec.json.Encoder().encode

# The parameters of a question about a project's executions, and whether a record that came belongs to the answer.
_Question = tuple[dict[str, str], Callable[[msgspec.Raw], bool]]


@asynccontextmanager
async def client(connection: HclConnection, clock: Clock = utc_now) -> AsyncIterator[HclTestServer]:
    """One server, for as long as the block lasts."""
    asked = endpoint(
        connection,
        connection.url,
        credentials="offline_token, that the user is a member of each of its projects",
        login=AccessToken(connection),
    )
    async with connect(asked, clock) as http:
        yield HclTestServer(http, connection.projects)


class HclTestServer:
    """Answers of one server, about the projects of its connection."""

    def __init__(self, http: Http, projects: list[str]) -> None:
        self._http = http
        self._projects = projects

    def executions(self, start: datetime, end: datetime) -> Answer:
        """Executions that completed in [start, end), or that ended without saying when and started in it."""
        questions = list(_ended_within(start, end, self._http.clock()))
        return self._http.answer(lambda answer: self._of_projects(answer, questions))

    def live_executions(self) -> Answer:
        """Executions that are active now: the list without any filter."""
        return self._http.answer(lambda answer: self._of_projects(answer, [({}, lambda _record: True)]))

    def execution_logs(self, executions: Iterable[FailedExecution]) -> Answer:
        """The container log of each of these executions, in the order in which they come."""
        return self._http.answer(lambda answer: self._logs(answer, list(executions)))

    def agents(self) -> Answer:
        """Every agent, whoever made it."""
        return self._http.answer(lambda answer: self._list(answer, "agents", {"all": "true"}))

    def docker_hosts(self) -> Answer:
        """The remote docker hosts that the user can see."""
        return self._http.answer(lambda answer: self._list(answer, "dockerhosts", {}))

    def docker_host_status(self) -> Answer:
        """The last known status of each of them."""
        return self._http.answer(self._statuses)

    async def _of_projects(self, answer: Answer, questions: list[_Question]) -> AsyncGenerator[Page]:
        answered: set[str] = set()
        unread: list[NotFound] = []

        async def ask(project_id: str) -> _Asked:
            return await self._of_project(project_id, questions)

        async with aclosing(as_they_come(answer, self._projects, ask, self._http.in_flight)) as asked:
            async for project in asked:
                if project.refusal is not None:
                    unread.append(project.refusal)
                elif project.is_whole:
                    answered.add(project.project_id)
                for page in project.pages:
                    yield page
        if len(unread) == len(self._projects):
            raise unread[0]
        answer.answered = answered
        answer.complete = len(answered) == len(self._projects)
        if not answer.complete:
            unlisted = ", ".join(sorted(set(self._projects) - answered))
            answer.note = f"projects not there, or not listed in full: {unlisted}; what is held stays"

    async def _of_project(self, project_id: str, questions: list[_Question]) -> _Asked:
        pages, is_whole = [], True
        resource = f"projects/{quote(project_id, safe='')}/executions/"
        try:
            for parameters, belongs in questions:
                listing = await self._http.get(resource, parameters, _read_listing)
                records = [record for record in listing.records if belongs(record)]
                pages.append(Page(records, self._http.clock(), ProjectPlace(project_id)))
                is_whole = is_whole and listing.is_whole
        except NotFound as refusal:
            return _Asked(project_id, [], refusal=refusal)
        return _Asked(project_id, pages, is_whole)

    async def _logs(self, answer: Answer, executions: list[FailedExecution]) -> AsyncGenerator[Page]:
        async with aclosing(as_they_come(answer, executions, self._log_of, self._http.in_flight)) as pages:
            async for page in pages:
                yield page
        answer.complete = answer.failure is None

    async def _log_of(self, execution: FailedExecution) -> Page:
        project, execution_id = quote(execution.project_id, safe=""), quote(execution.id, safe="")
        place = LogPlace(execution.id, execution.project_id)
        path = f"projects/{project}/executions/{execution_id}/log"
        try:
            text = await self._http.get(path, {}, lambda body: body.decode(errors="replace"), "text/plain")
        except NotFound:  # 410: logs are not kept for long
            return Page([], self._http.clock(), place, is_unavailable=True)
        return Page([_as_json({"log": text})], self._http.clock(), place)

    async def _list(self, answer: Answer, path: str, parameters: dict[str, str]) -> AsyncGenerator[Page]:
        listing = await self._http.get(path, parameters, _read_listing)
        yield Page(listing.records, self._http.clock())
        answer.complete = listing.is_whole

    async def _statuses(self, answer: Answer) -> AsyncGenerator[Page]:
        hosts = await self._http.get("dockerhosts", {}, _read_listing)
        ids = [host_id for host_id in map(_id, hosts.records) if host_id is not None]
        async with aclosing(as_they_come(answer, ids, self._status_of, self._http.in_flight)) as pages:
            async for page in pages:
                if page is not None:
                    yield page
        answer.complete = hosts.is_whole and answer.failure is None

    async def _status_of(self, host_id: int) -> Page | None:
        try:
            status = await self._http.get(
                f"dockerhosts/{host_id}/status", {}, msgspec.json.Decoder(msgspec.Raw).decode
            )
        except NotFound:  # removed since it was listed
            return None
        return Page([status], self._http.clock(), DockerHostPlace(host_id))


def _ended_within(start: datetime, end: datetime, now: datetime) -> Iterator[_Question]:
    """All questions that together list what ended in [start, end).

    An execution can end without a completion date. Those are few: all of them are listed, and the ones that started
    in the window are kept; of those that never started either, the ones that were planned for it.
    """

    def when(record: msgspec.Raw) -> tuple[bool, datetime | None, datetime | None]:
        dated = _dated(record)
        return dated.status in ENDED, _moment(dated.completion_date, now), _moment(dated.start_date, now)

    def completed(record: msgspec.Raw) -> bool:
        _, completed_at, _ = when(record)
        if completed_at is None:
            # A server may list these here, too: they are no day's yet, or their start's. What says nothing is refused.
            return _dated(record).status is None
        return start <= completed_at < end

    def started(record: msgspec.Raw) -> bool:
        has_ended, completed_at, started_at = when(record)
        return has_ended and completed_at is None and started_at is not None and start <= started_at < end

    def never_started(record: msgspec.Raw) -> bool:
        has_ended, completed_at, started_at = when(record)
        return has_ended and completed_at is None and started_at is None

    within = {
        "completionDateAfter": _instant(start - _OVERLAP),
        "completionDateBefore": _instant(end + _OVERLAP),
    }
    without_date = {"completionDateNotSetOrAfter": _instant(now + 2 * _DAY)}
    planned = {
        "scheduledDateAfter": _instant(start - timedelta(seconds=1)),
        "scheduledDateBefore": _instant(end),
    }
    everything = {"execution.status": "ALL"}
    yield everything | within, completed
    yield everything | without_date, started
    yield everything | without_date | planned, never_started


def _read_listing(body: bytes) -> _Listing:
    """A list in any of the forms that this server's services use. None shows the list of executions."""
    if body.lstrip()[:1] == b"[":
        return _Listing(_read_array(body))
    enveloped = _read_enveloped(body)
    records = enveloped.data if enveloped.data is not None else enveloped.content
    if records is None:
        raise msgspec.ValidationError("neither an array, nor an object with `data` or `content`")
    total = enveloped.total if enveloped.total is not None else enveloped.total_elements
    return _Listing(records, total is None or len(records) >= total)


def _dated(record: msgspec.Raw) -> _Dated:
    try:
        return _read_dated(record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Dated()


def _id(record: msgspec.Raw) -> int | None:
    try:
        return _read_id(record).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _moment(text: str | None, now: datetime) -> datetime | None:
    """A time that can be believed: from 2000 on, and not after tomorrow."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if moment.year >= 2000 and moment < now + 2 * _DAY else None


def _instant(moment: datetime) -> str:
    """The only form of a time that the vendor's pages show."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
