"""The test server's login: an offline token is exchanged for access tokens that live for minutes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import msgspec

from pipelines.lib.http import BUSY, Question, Reply, Send
from pipelines.lib.source_errors import Fault, NotAuthorised, Refused, problem
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


class AccessToken:
    """Signs requests with a valid access token: renewed a minute before it expires, and where the server says 401.

    A 401 on a fresh token is the server's word that the user may not see the thing.
    """

    def __init__(self, connection: HclConnection, now: Callable[[], float] = time.monotonic) -> None:
        self._label = f"{connection.kind}.{connection.name}"
        self._url = connection.url
        self._offline_token = connection.offline_token
        self._now = now
        self._token = ""
        self._renew_at = 0.0
        self._exchanging = asyncio.Lock()

    async def headers(self, send: Send, refused: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """Of many requests at once, the first one exchanges."""
        async with self._exchanging:
            if not self._token or self._now() >= self._renew_at or refused == self._signed():
                self._take(await send(self._exchange()))
            return self._signed()

    def _signed(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _exchange(self) -> Question:
        fields = {"refresh_token": self._offline_token.get_secret_value()}
        return Question.with_form(f"{self._url}/tokens/", fields)

    def _take(self, reply: Reply) -> None:
        status = reply.status
        if status in _REFUSALS:
            what, advice = _REFUSALS[status]
            raise NotAuthorised(problem(self._label, self._url, what, advice), status)
        what = f"HTTP {status} where an access token was asked for"
        if status == 500:
            raise Fault("server_error", what)
        if status in BUSY:
            raise Fault("busy", what)
        if status != 200:  # not `NotFound`: that is said of a project, a host or a log
            raise Refused(problem(self._label, self._url, what, "check the url and its prefix"), status)
        try:
            exchanged = _read_exchanged(reply.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Fault("broken", "the access token's answer is not the documented JSON") from None
        lifetime = exchanged.expires_in or _DEFAULT_LIFETIME
        self._token = exchanged.access_token
        self._renew_at = self._now() + lifetime - min(_RENEWED_BEFORE, lifetime / 2)
