"""A real server on loopback that answers what a test tells it to, one answer per request."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; the odd ones break off, hang, or never end."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None  # bytes of the body, of which the header promised all
    wait_seconds: float = 0.0
    is_reset: bool = False


@dataclass
class Scripted:
    """The server's side of a test: what was asked, and where."""

    url: str
    replies: list[Reply]
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    most_at_once: int = 0


@contextmanager
def serving(*replies: Reply) -> Iterator[Scripted]:
    """Answers with these in turn, and with the last one for ever."""
    lock, open_now = threading.Lock(), [0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with lock:
                script.asked.append((self.path, self.headers))
                reply = script.replies[min(len(script.asked), len(script.replies)) - 1]
                open_now[0] += 1
                script.most_at_once = max(script.most_at_once, open_now[0])
            time.sleep(reply.wait_seconds)
            with lock:
                open_now[0] -= 1
            if reply.is_reset:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            with suppress(BrokenPipeError):  # a client that no longer waits
                self.wfile.write(reply.body[: reply.cut_after])
            self.close_connection = reply.cut_after is not None

        def log_message(self, *_arguments: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script = Scripted(f"http://127.0.0.1:{server.server_address[1]}", list(replies))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
