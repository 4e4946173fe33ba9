"""The test server's login: an offline token is exchanged for access tokens that live for minutes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import httpx
import msgspec

from pipelines.lib.http import Fault, NotAuthorised, problem
from pipelines.settings import HclConnection

# One of the two published answers has no `expires_in`; the text beside it says about 300 seconds.
_DEFAULT_LIFETIME = 300.0
_RENEWED_BEFORE = 60.0
_REFUSALS = {
    400: ("it does not take the offline token", "create a new one and set offline_token"),
    401: ("it does not take the offline token", "create a new one and set offline_token"),
    402: ("it does not take the offline token", "create a new one and set offline_token"),
    403: ("it gives this user no access token (HTTP 403)", "check the user's licence"),
}


class _Exchanged(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


_read_exchanged = msgspec.json.Decoder(_Exchanged).decode


class AccessToken(httpx.Auth):
    """Sends a valid access token along: renewed a minute before it expires, and once where the server says 401.

    It does no I/O itself: it yields the requests that are to be sent. A 401 on a fresh token is the server's word
    that the user may not see the thing; it is handed on.
    """

    def __init__(self, connection: HclConnection, now: Callable[[], float] = time.monotonic) -> None:
        self._label = f"{connection.kind}.{connection.name}"
        self._url = connection.url
        self._offline_token = connection.offline_token
        self._now = now
        self._token = ""
        self._renew_at = 0.0
        self._exchanging = asyncio.Lock()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Exchange where needed, the request, and both again after a 401."""
        async with self._exchanging:
            if not self._token or self._now() >= self._renew_at:
                await self._take((yield self._exchange()))
        sent = self._sign(request)
        response = yield request
        if response.status_code != 401:
            return
        async with self._exchanging:
            if self._token == sent:
                await self._take((yield self._exchange()))
        self._sign(request)
        yield request

    def _sign(self, request: httpx.Request) -> str:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return self._token

    def _exchange(self) -> httpx.Request:
        return httpx.Request(
            "POST",
            f"{self._url}/tokens/",
            headers={"Accept": "application/json"},
            data={"refresh_token": self._offline_token.get_secret_value()},
        )

    async def _take(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in _REFUSALS:
            what, advice = _REFUSALS[status]
            raise NotAuthorised(problem(self._label, self._url, what, advice), status)
        if status != 200:
            kind = "server_error" if status == 500 else "busy"
            raise Fault(kind, f"HTTP {status} where an access token was asked for")
        try:
            exchanged = _read_exchanged(await response.aread())
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Fault("broken", "the access token's answer is not the documented JSON") from None
        lifetime = exchanged.expires_in or _DEFAULT_LIFETIME
        self._token = exchanged.access_token
        self._renew_at = self._now() + lifetime - min(_RENEWED_BEFORE, lifetime / 2)
