"""How an answer breaks below HTTP: cut short, or reset."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from starlette.types import Receive, Scope
from uvicorn.protocols.http.auto import AutoHTTPProtocol

_NO_LINGER = struct.pack("ii", 1, 0)


class BreakableProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """uvicorn's protocol, which lets a request's scope reach its connection."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


async def cut(scope: Scope, receive: Receive) -> None:
    """Closes the connection in an orderly way after what was sent so far."""
    _transport(scope).close()
    await _gone(receive)


async def reset(scope: Scope, receive: Receive) -> None:
    """Drops the connection at once; the client's system says `connection reset by peer`."""
    transport = _transport(scope)
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
    await _gone(receive)


def _transport(scope: Scope) -> asyncio.Transport:
    return scope["state"]["transport"]


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
