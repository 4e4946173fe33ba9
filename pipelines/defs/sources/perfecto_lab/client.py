"""Asks a Perfecto cloud for its devices, reservations and script executions.

Devices come from device management in JSON; where the cloud refuses that, from the older list in XML. `/services`
is asked by POST form, one of its two documented ways: a token in a URL would end up in logs on the way.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from pipelines.defs.sources.perfecto_lab import handsets_xml
from pipelines.lib.answer import NOBODY_ASKED, Answer, Page, not_asked
from pipelines.lib.clock import Clock, utc_now
from pipelines.lib.http import Http, connect, endpoint
from pipelines.lib.source_errors import Fault, NotAuthorised, Refused, SourceError
from pipelines.lib.user_messages import complaint
from pipelines.settings import PerfectoConnection

T = TypeVar("T")

_DEVICES = "api/v1/device-management/devices"
# Reservations that ended since the last rounds, those that hold now, and those of the coming days.
_RESERVED_SINCE, _RESERVED_UNTIL = timedelta(days=1), timedelta(days=7)
_XML_ERROR = re.compile(rb"<errorMessage>([^<]*)")
_LONGEST_SCRIPT = timedelta(days=1)
_COMPLETED_WITHIN = timedelta(hours=1)


class _Handsets(msgspec.Struct):
    handset: msgspec.Raw = msgspec.Raw(b"[]")


class _Devices(msgspec.Struct):
    handsets: _Handsets


class _Reservation(msgspec.Struct):
    reservation: msgspec.Raw = msgspec.Raw(b"[]")


class _Reservations(msgspec.Struct):
    reservations: msgspec.Raw = msgspec.Raw(b"[]")


class _Executions(msgspec.Struct):
    executions: msgspec.Raw = msgspec.Raw(b"[]")  # absent where nothing matches


class _ErrorMessage(msgspec.Struct, rename="camel"):
    error_message: str


_read_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_devices = msgspec.json.Decoder(_Devices).decode
_read_reservations = msgspec.json.Decoder(_Reservations).decode
_read_reservation = msgspec.json.Decoder(_Reservation).decode
_read_executions = msgspec.json.Decoder(_Executions).decode
_read_error = msgspec.json.Decoder(_ErrorMessage).decode


@asynccontextmanager
async def client(connection: PerfectoConnection, clock: Clock = utc_now) -> AsyncIterator[PerfectoLab]:
    """One cloud's device management and `/services`, for as long as the block lasts."""
    token = connection.token.get_secret_value()
    management = endpoint(
        connection,
        connection.app_url,
        headers={"Perfecto-Authorization": token},
        credentials="token",
        complaint=complaint,
    )
    async with AsyncExitStack() as stack:
        services = None
        if connection.services_url:
            asked = endpoint(
                connection, connection.services_url, credentials="token", complaint=complaint_of_services
            )
            services = Services(await stack.enter_async_context(connect(asked, clock)), token)
        yield PerfectoLab(await stack.enter_async_context(connect(management, clock)), services)


class PerfectoLab:
    """Answers of one cloud."""

    def __init__(self, management: Http, services: Services | None) -> None:
        self._management = management
        self._services = services

    def devices(self) -> Answer:
        """Every device that the user may see."""
        return self._management.answer(self._devices)

    def reservations(self) -> Answer:
        """Reservations around now."""
        if self._services is None:
            return self._not_asked()
        return self._services.http.answer(self._services.reservations)

    def script_executions(self, interval_seconds: int) -> Answer:
        """Script executions that run, and those that completed since the round before the last."""
        services = self._services
        if services is None:
            return self._not_asked()
        since = max(_COMPLETED_WITHIN, 2 * timedelta(seconds=interval_seconds))
        return services.http.answer(lambda answer: services.script_executions(answer, since))

    def _not_asked(self) -> Answer:
        return not_asked(f"services_url is not set: {NOBODY_ASKED}", self._management.clock())

    async def _devices(self, answer: Answer) -> AsyncGenerator[Page]:
        try:
            devices = await self._management.post_json(_DEVICES, {"device": {}}, _json_devices)
            yield Page(devices, self._management.clock())
            answer.complete = True
            answer.facts["dialect"] = "json"
            return
        except (NotAuthorised, Refused):
            if self._services is None:
                raise
        older = self._services.http.answer(self._services.devices)
        async with aclosing(older.pages(older)) as pages:
            async for page in pages:
                yield page
        answer.complete = older.complete
        answer.facts |= older.facts | {"dialect": "xml"}


class Services:
    """The older services of one cloud."""

    def __init__(self, http: Http, token: str) -> None:
        self.http = http
        self._token = token

    async def devices(self, answer: Answer) -> AsyncGenerator[Page]:
        """The XML list of handsets; this service knows no other format."""
        records = await self._ask("handsets", {}, handsets_xml.records, "application/xml")
        yield Page(records, self.http.clock())
        answer.complete = True

    async def reservations(self, answer: Answer) -> AsyncGenerator[Page]:
        """Those that overlap the days around now."""
        now = self.http.clock()
        window = {
            "startTime": _millis(now - _RESERVED_SINCE),
            "endTime": _millis(now + _RESERVED_UNTIL),
        }
        records = await self._ask_as_admin(answer, "reservations", window, _json_reservations)
        yield Page(records, self.http.clock())
        answer.complete = True

    async def script_executions(self, answer: Answer, since: timedelta) -> AsyncGenerator[Page]:
        """Those that run, then those that completed; the vendor keeps the newest 500 of these.

        `time.offset` alone counts seconds back from now; clients report that `time.anchor` does not work.
        """
        running = {"completed": "false", "time.offset": _seconds(_LONGEST_SCRIPT)}
        completed = {"completed": "true", "time.type": "completed", "time.offset": _seconds(since)}
        for question in (running, completed):
            records = await self._ask_as_admin(answer, "executions", question, _json_executions)
            yield Page(records, self.http.clock())
        answer.complete = True

    async def _ask_as_admin(
        self, answer: Answer, resource: str, fields: Mapping[str, str], read: Callable[[bytes], T]
    ) -> T:
        """Everyone's records where the user may see them, else the user's own."""
        asked = {"responseFormat": "JSON", **fields}
        try:
            return await self._ask(resource, {**asked, "admin": "true"}, read)
        except NotAuthorised:
            own = await self._ask(resource, asked, read)
            answer.note = "this user may see only their own records"
            return own

    async def _ask(
        self,
        resource: str,
        fields: Mapping[str, str],
        read: Callable[[bytes], T],
        accept: str = "application/json",
    ) -> T:
        form = {"operation": "list", "securityToken": self._token, **fields}
        return await self.http.post_form(f"services/{resource}", form, read, accept)


def complaint_of_services(status: int, body: bytes) -> Fault | SourceError | None:
    """What `{"errorMessage": ...}` means, in JSON or in XML."""
    words = _error_message(body)
    if words is None:
        return None
    lowered = words.lower()
    if "not authorized" in lowered or "authentication" in lowered:
        return NotAuthorised("it does not take the token, or the user may not see this")
    if "secured channel" in lowered:
        return Refused("it only answers over https")
    return Fault("busy", "an error message in place of results") if status == 200 else None


def _error_message(body: bytes) -> str | None:
    if found := _XML_ERROR.search(body[:2000]):
        return found[1].decode(errors="replace")
    try:
        return _read_error(body).error_message
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _json_devices(body: bytes) -> list[msgspec.Raw]:
    return _listed(_read_devices(body).handsets.handset)


def _json_reservations(body: bytes) -> list[msgspec.Raw]:
    """An array, as clients read it, or below `reservation`, as the vendor's page shows it."""
    reservations = _read_reservations(body).reservations
    if _is_array(reservations):
        return _listed(reservations)
    return _listed(_read_reservation(reservations).reservation)


def _json_executions(body: bytes) -> list[msgspec.Raw]:
    return _listed(_read_executions(body).executions)


def _listed(value: msgspec.Raw) -> list[msgspec.Raw]:
    """The records of an array; one object stands for itself, and nothing is an empty text, as converters of XML write."""
    if bytes(value) in (b"null", b'""'):
        return []
    return _read_array(value) if _is_array(value) else [value]


def _is_array(value: msgspec.Raw) -> bool:
    return bytes(value)[:1] == b"["


def _millis(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1000))


def _seconds(span: timedelta) -> str:
    return str(round(span.total_seconds()))
