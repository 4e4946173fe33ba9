"""What was asked of the lab: method, path and time of every request, without secrets."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from starlette.types import ASGIApp, Receive, Scope, Send

from simlab.clock import Clock

KEPT_REQUESTS = 1_000_000
SECRET_PARAMETER = re.compile(
    r"(?i)((?:^|&)(?:securityToken|offlineToken|refresh_token|access_token|token|user|password)=)[^&]*"
)


class RequestLog:
    """ASGI wrapper around the app; the newest million requests are kept."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._requests: deque[tuple[str, str, int]] = deque(maxlen=KEPT_REQUESTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/_lab/"):
            self._requests.append((scope["method"], without_secrets(scope), self._clock.now()))
        await self._app(scope, receive, send)

    def forget(self) -> None:
        """Begins anew."""
        self._requests.clear()

    def __iter__(self) -> Iterator[dict[str, object]]:
        for method, path, at in self._requests:
            yield {"method": method, "path": path, "at": at}

    def __len__(self) -> int:
        return len(self._requests)


def without_secrets(scope: Scope) -> str:
    """A request's path and query, secrets starred."""
    path = scope["raw_path"].decode("latin-1").partition("?")[0]
    if query := scope["query_string"].decode("latin-1"):
        path += "?" + SECRET_PARAMETER.sub(r"\1***", query)
    return path
