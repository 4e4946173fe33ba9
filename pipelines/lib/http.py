"""HTTP to one connection: one shared client, limited, retried with back-off, and silent about what it sends.

Only reads. URLs, headers and bodies appear in no message: an error names the connection, its host, what happened
and what to do about it.
"""

from __future__ import annotations

import asyncio
import email.utils
import random
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
import msgspec
import stamina
from aiolimiter import AsyncLimiter

from pipelines.lib.answer import Answer, Page
from pipelines.lib.clock import Clock, utc_now
from pipelines.lib.source_errors import (
    Fault,
    NotAuthorised,
    NotFound,
    Refused,
    ServerFailed,
    SourceError,
    SourceUnavailable,
    problem,
)
from pipelines.settings import Connection

T = TypeVar("T")
JSON = "application/json"

stamina.instrumentation.set_on_retry_hooks([])  # retries are counted, and told with the landing

# How often a request is tried in all, by what went wrong. A dead server is named within seconds, one that drops what
# is sent to it within a minute; a 500 may be the server's way to say that the token is bad, so it is not asked
# for long.
_ATTEMPTS = {"connect": 4, "silent": 3, "server_error": 3, "busy": 8, "broken": 8}
_CONNECT_SECONDS = 10.0  # at most, or `timeout_seconds` where that is less
_FIRST_WAIT, _LONGEST_WAIT, _JITTER, _LONGEST_RETRY_AFTER = 0.5, 30.0, 1.0, 600.0  # seconds
BUSY = frozenset((408, 425, 429, 502, 503, 504))  # statuses that pass
_LARGEST_BODY = 64 << 20  # sixteen that have no end must not fill the memory
_WHOLE_REQUEST = 5  # times `timeout_seconds`, which bounds each wait for the next bytes


_FINAL: dict[int, type[SourceError]] = {401: NotAuthorised, 403: NotAuthorised, 404: NotFound, 410: NotFound}


Complaint = Callable[[int, bytes], "Fault | SourceError | None"]
"""What a body says that its status does not: a `Fault`, `NotAuthorised`, `OutOfRange`, or None."""


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Question:
    """One request, as it is sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)

    @classmethod
    def with_form(cls, url: str, fields: Mapping[str, str], accept: str = JSON) -> Question:
        headers = {"Accept": accept, "Content-Type": "application/x-www-form-urlencoded"}
        return cls("POST", url, headers, urlencode(fields).encode())


Send = Callable[[Question], Awaitable[Reply]]


class Login(Protocol):
    """What has to be asked for before anything else can be."""

    async def headers(self, send: Send, refused: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """What signs a request: other ones than those that were just refused with a 401."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one connection answers, how it is asked, and how hard."""

    label: str  # "perfecto.acme", as in connections.toml
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    login: Login | None = field(default=None, repr=False)
    verify_tls: bool = True
    ca_bundle: str | None = None
    max_in_flight: int = 16
    requests_per_second: float | None = None
    timeout_seconds: float = 60
    credentials: str = "token"  # what a refusal asks the reader to check
    complaint: Complaint = lambda _status, _body: None


class Http:
    """Requests to one endpoint; made by `connect`."""

    def __init__(self, endpoint: Endpoint, session: aiohttp.ClientSession, clock: Clock) -> None:
        self.counts: Counter[str] = Counter()
        self.clock = clock
        self.clock_skew_seconds: float | None = None  # of the server's clock, by its last `Date`
        self._endpoint = endpoint
        self._session = session
        self._proxy = _proxy(endpoint.url)
        self._slots = asyncio.Semaphore(endpoint.max_in_flight)
        rate = endpoint.requests_per_second
        self._limiter = AsyncLimiter(1, 1 / rate) if rate else None

    async def get(
        self, path: str, parameters: Mapping[str, str], read: Callable[[bytes], T], accept: str = JSON
    ) -> T:
        """The body of `path` below the endpoint's URL, as `read` understands it; a body it cannot read is retried."""
        asked = f"?{urlencode(parameters)}" if parameters else ""
        return await self._asked(Question("GET", self._url(path) + asked, {"Accept": accept}), read)

    async def post_json(self, path: str, body: Any, read: Callable[[bytes], T]) -> T:
        """As `get`, for what is asked in a JSON body. Only ever for a question, which changes nothing."""
        headers = {"Accept": JSON, "Content-Type": JSON}
        return await self._asked(Question("POST", self._url(path), headers, msgspec.json.encode(body)), read)

    async def post_form(
        self, path: str, fields: Mapping[str, str], read: Callable[[bytes], T], accept: str = JSON
    ) -> T:
        """As `post_json`, in a form."""
        return await self._asked(Question.with_form(self._url(path), fields, accept), read)

    def _url(self, path: str) -> str:
        return f"{self._endpoint.url}/{path}"

    async def _asked(self, question: Question, read: Callable[[bytes], T]) -> T:
        tries: Counter[str] = Counter()

        def wait(error: Exception) -> bool | float:
            if not isinstance(error, Fault):
                return False
            tries[error.kind] += 1
            if tries[error.kind] >= _ATTEMPTS[error.kind] or (error.retry_after or 0) > _LONGEST_RETRY_AFTER:
                return False
            self.counts["retries"] += 1
            if error.retry_after is None:
                return True
            return error.retry_after + random.uniform(0, _JITTER)

        try:
            async for attempt in stamina.retry_context(
                on=wait,
                attempts=None,
                timeout=None,
                wait_initial=_FIRST_WAIT,
                wait_max=_LONGEST_WAIT,
                wait_jitter=_JITTER,
            ):
                with attempt:
                    return await self._once(question, read)
        except Fault as fault:
            raise self._final(fault, sum(tries.values())) from None
        raise AssertionError("the retry loop ends with a value or an error")

    def answer(self, pages: Callable[[Answer], AsyncGenerator[Page]]) -> Answer:
        """An answer whose facts tell how many requests it took, and how far the server's clock is from ours."""

        async def counted(answer: Answer) -> AsyncGenerator[Page]:
            before = self.counts.copy()
            try:
                async with aclosing(pages(answer)) as inner:
                    async for page in inner:
                        yield page
            finally:
                for name in ("requests", "retries"):
                    answer.facts[name] = answer.facts.get(name, 0) + self.counts[name] - before[name]
                answer.facts["clock_skew_seconds"] = self.clock_skew_seconds

        return Answer(counted, self.clock())

    @property
    def in_flight(self) -> int:
        """How many requests may be under way at once."""
        return self._endpoint.max_in_flight

    def problem(self, kind: type[SourceError], what: str, advice: str, status: int = 0) -> SourceError:
        """An error line in the one form that all of them have."""
        return kind(problem(self._endpoint.label, self._endpoint.url, what, advice), status)

    async def _once(self, question: Question, read: Callable[[bytes], T]) -> T:
        async with self._slots:
            if self._limiter:
                await self._limiter.acquire()
            self.counts["requests"] += 1
            status, headers, body = await self._exchanged(question)
        if said := _moment(headers.get("date", "")):
            self.clock_skew_seconds = round((said - self.clock()).total_seconds())
        self._check(status, headers, body)
        if headers.get("content-type", "").startswith("text/html"):
            raise Fault("broken", "a web page in place of data")
        try:
            return read(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise Fault("broken", "the body is not the documented JSON") from None

    async def _exchanged(self, question: Question) -> Reply:
        """The answer; where there is a login, signed by it, and once more after a 401."""
        login = self._endpoint.login
        if login is None:
            return await self._sent(question)
        signed = await login.headers(self._sent)
        reply = await self._sent(replace(question, headers={**question.headers, **signed}))
        if reply.status != 401:
            return reply
        signed = await login.headers(self._sent, refused=signed)
        return await self._sent(replace(question, headers={**question.headers, **signed}))

    async def _sent(self, question: Question) -> Reply:
        try:
            async with self._session.request(
                question.method,
                question.url,
                headers=question.headers,
                data=question.body,
                proxy=self._proxy,
                allow_redirects=False,
            ) as response:
                chunks, size = [], 0
                async for chunk in response.content.iter_any():
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > _LARGEST_BODY:
                        raise Fault("broken", f"the body is larger than {_LARGEST_BODY >> 20} MB")
                return Reply(response.status, response.headers, b"".join(chunks))
        except (aiohttp.ClientError, OSError) as error:
            raise self._broken(error) from None

    def _broken(self, cause: Exception) -> Exception:
        """What went wrong below HTTP."""
        if isinstance(cause, aiohttp.ClientSSLError | ssl.SSLError):
            advice = "set ca_bundle to your CA's PEM file"
            return self.problem(SourceUnavailable, "its TLS certificate cannot be verified", advice)
        if isinstance(cause, aiohttp.ClientConnectorDNSError):
            return Fault("connect", "its host name is unknown")
        if isinstance(cause, aiohttp.ClientConnectorError):
            return Fault("connect", "nothing answers there")
        if isinstance(cause, aiohttp.ConnectionTimeoutError):
            return Fault("silent", f"no connection within {_connect_seconds(self._endpoint):g} s")
        if isinstance(cause, TimeoutError):
            return Fault("broken", f"no whole answer within {self._endpoint.timeout_seconds:g} s")
        return Fault("broken", f"the connection broke ({type(cause).__name__})")

    def _check(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        complaint = self._endpoint.complaint(status, body)
        if isinstance(complaint, Fault):
            raise complaint
        if isinstance(complaint, SourceError):
            raise self.problem(type(complaint), str(complaint), self._advice(type(complaint)), status)
        if status == 200:
            return
        what = f"HTTP {status}"
        if status == 500:
            raise Fault("server_error", what)
        if status in BUSY:
            raise Fault("busy", what, self._retry_after(headers))
        kind = _FINAL.get(status, Refused)
        if 300 <= status < 400:
            what += ", a redirect, which is never followed"
        raise self.problem(kind, what, self._advice(kind), status)

    def _advice(self, kind: type[SourceError]) -> str:
        if kind is NotAuthorised:
            return f"check its {self._endpoint.credentials} and the user's rights"
        return "check the url"

    def _retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Seconds, or a date by the server's own clock; anything else is as if it were absent."""
        text = headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text)
        until, now = _moment(text), _moment(headers.get("date", "")) or self.clock()
        return max(0.0, (until - now).total_seconds()) if until else None

    def _final(self, fault: Fault, tries: int) -> SourceError:
        if fault.kind == "server_error":
            return self.problem(
                ServerFailed,
                f"{fault.what}, {tries} times",
                f"its {self._endpoint.credentials} may be bad, or the server is in trouble",
            )
        if (fault.retry_after or 0) > _LONGEST_RETRY_AFTER:
            what = f"{fault.what}, and it asks not to be asked again for {fault.retry_after:,.0f} s"
            return self.problem(SourceUnavailable, what, "set requests_per_second lower, or try again then")
        is_down = fault.kind in ("connect", "silent")
        advice = "check the url, or wait until it is up" if is_down else "try again later"
        return self.problem(SourceUnavailable, f"{fault.what}, {tries} times", advice)


def _moment(text: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def endpoint(
    connection: Connection,
    url: str,
    *,
    credentials: str,
    complaint: Complaint = lambda _status, _body: None,
    headers: Mapping[str, str] | None = None,
    login: Login | None = None,
) -> Endpoint:
    """What `connections.toml` says of a connection, as an endpoint at `url`."""
    return Endpoint(
        label=f"{connection.kind}.{connection.name}",
        url=url,
        headers=headers or {},
        login=login,
        verify_tls=connection.verify_tls,
        ca_bundle=str(connection.ca_bundle) if connection.ca_bundle else None,
        max_in_flight=connection.max_in_flight,
        requests_per_second=connection.requests_per_second,
        timeout_seconds=connection.timeout_seconds,
        credentials=credentials,
        complaint=complaint,
    )


@asynccontextmanager
async def connect(endpoint: Endpoint, clock: Clock = utc_now) -> AsyncIterator[Http]:
    """An open client for the endpoint, for as long as the block lasts."""
    seconds = endpoint.timeout_seconds
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=endpoint.max_in_flight, ssl=_tls(endpoint)),
        headers={"User-Agent": "flakehouse", **endpoint.headers},
        timeout=aiohttp.ClientTimeout(
            total=_WHOLE_REQUEST * seconds, sock_connect=_connect_seconds(endpoint), sock_read=seconds
        ),
    )
    async with session:
        yield Http(endpoint, session, clock)


def _connect_seconds(endpoint: Endpoint) -> float:
    return min(_CONNECT_SECONDS, endpoint.timeout_seconds)


def _tls(endpoint: Endpoint) -> ssl.SSLContext | bool:
    if not endpoint.verify_tls or not endpoint.url.startswith("https:"):
        return False
    if endpoint.ca_bundle:
        return ssl.create_default_context(cafile=endpoint.ca_bundle)
    return (
        httpx.create_ssl_context()
    )  # with the authorities that come along: not every Python finds the machine's


def _proxy(url: str) -> str | None:
    """The proxy that the environment names; our own machine is asked without one."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("127.0.0.1", "localhost") or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)
