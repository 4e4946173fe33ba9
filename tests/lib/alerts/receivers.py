"""What stands in for Slack, Teams and a mail server: real servers on loopback that keep what they were told."""

from __future__ import annotations

import email.policy
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """Where it listens, and what came."""

    port: int = 0
    status: int = 200
    posts: list[dict[str, Any]] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[list[str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/a-secret-part"

    @property
    def smtp(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"


@contextmanager
def webhook(status: int = 200, first: Callable[[], object] = lambda: None) -> Iterator[Receiver]:
    """One that does `first` before it answers."""
    receiver = Receiver(status=status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/json"
            receiver.posts.append(json.loads(body))
            first()
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with _running(ThreadingHTTPServer(("127.0.0.1", 0), Handler), receiver):
        yield receiver


@contextmanager
def mail_server() -> Iterator[Receiver]:
    """As much of RFC 5321 as a client needs that neither encrypts nor logs in."""
    receiver = Receiver()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 here")
            envelope: list[str] = []
            while line := self.rfile.readline().decode().strip():
                verb = line.upper().split()[0]
                if verb == "EHLO":
                    self._say("250 here")
                elif verb in ("MAIL", "RCPT"):
                    envelope.append(line.partition("<")[2].partition(">")[0])
                    self._say("250 well")
                elif verb == "DATA":
                    self._say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    text = b"".join(part.removeprefix(b".") for part in lines)
                    parser = BytesParser(EmailMessage, policy=email.policy.default)
                    receiver.mails.append(parser.parsebytes(text))
                    receiver.envelopes.append(envelope)
                    self._say("250 taken")
                else:
                    self._say("221 bye" if verb == "QUIT" else "502 unknown")

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with _running(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler), receiver):
        yield receiver


@contextmanager
def drip(greeting: bytes, word: bytes) -> Iterator[Receiver]:
    """One that greets, then goes on saying the same, a little at a time, and never ends."""
    receiver, over = Receiver(), threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.request.sendall(greeting)
                while not over.wait(0.02):
                    self.request.sendall(word)

    with _running(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler), receiver):
        try:
            yield receiver
        finally:
            over.set()


@contextmanager
def _running(server: socketserver.TCPServer, receiver: Receiver) -> Iterator[None]:
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
