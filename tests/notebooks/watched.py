"""The `flakehouse` command, with every address beyond loopback that it looks up or connects to written to a file."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import Any


def is_loopback(host: Any) -> bool:
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


def watch(asked: Path) -> None:
    asked.touch()

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            host = arguments[0]
        elif event == "socket.connect" and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        else:
            return
        if not is_loopback(host):
            with asked.open("a") as file:
                file.write(f"{event} {host}\n")

    sys.addaudithook(note)


if __name__ == "__main__":
    watch(Path(sys.argv.pop(1)))
    from pipelines.cli import app

    app()
