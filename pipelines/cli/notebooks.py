"""`flakehouse notebooks`: the notebooks as apps, on loopback."""

from __future__ import annotations

from pipelines.cli.published import published_warehouse
from pipelines.cli.terminal import console
from pipelines.settings import Settings


def notebooks(port: int) -> None:
    published_warehouse()
    from pipelines.notebooks.serving import serve

    console().print(f"Notebooks on http://127.0.0.1:{port}; stop them with Ctrl-C")
    serve(Settings().home, port)
