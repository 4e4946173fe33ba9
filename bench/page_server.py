"""A server in a process of its own that does as little as possible, so that what is measured is the client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.pages import Pages

EXPORT = "/export/api/v3/test-executions"


@contextmanager
def serving(pages: Path, latency_seconds: float) -> Iterator[str]:
    """The URL of the pages, each answer held back for the latency."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(pages, latency_seconds, theirs), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        server.kill()
        server.join()


class _Protocol(asyncio.Protocol):
    """HTTP/1.1 as far as a GET on a kept connection needs it."""

    def __init__(self, pages: Pages, latency_seconds: float) -> None:
        self._pages = pages
        self._latency = latency_seconds
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._unread = (self._unread + data).split(b"\r\n\r\n")
        for request in requests:
            target = request.split(b" ", 2)[1].decode()
            asyncio.get_running_loop().call_later(self._latency, self._reply, target)

    def _reply(self, target: str) -> None:
        body = self._body(target)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.writelines([head, body])

    def _body(self, target: str) -> bytes:
        url = urlsplit(target)
        if url.path == EXPORT:
            asked = {name: int(values[0]) for name, values in parse_qs(url.query).items()}
            return self._pages.executions(
                asked["startExecutionTime[0]"], asked["endExecutionTime[0]"], asked["_page"]
            )
        return self._pages.commands(url.path.split("/")[-2])


def _serve(folder: Path, latency_seconds: float, ready: Connection) -> None:
    pages = Pages(folder)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Protocol(pages, latency_seconds), "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())
