"""The notebooks as apps on loopback, and a page that lists them. Nothing is fetched from elsewhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path

import marimo
import uvicorn
from marimo._session.types import KernelState
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.notebooks import page

PATIENCE_SECONDS = 30
"""For the query that a notebook is at when the server ends."""

FOLDER = Path(__file__).parents[2] / "notebooks"

_INDEX = Markup("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>flakehouse notebooks</title><style>{}</style></head>
<body><main><h1 class="head">Notebooks</h1><p class="says">Over the published warehouse, each number beside its query.</p>
<ul class="list">{}</ul></main></body></html>""")


def serve(home: Path, port: int) -> None:
    """Until interrupted. Each opening of a notebook reads what is published under this home at that time."""
    os.environ["FLAKEHOUSE_HOME"] = str(home)
    uvicorn.run(application(), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)


def application() -> Starlette:
    """Apps to read: nobody edits, and no code is sent."""
    os.chdir(FOLDER.parent)  # marimo takes its settings from pyproject.toml here
    notebooks = marimo.create_asgi_app(quiet=True)
    for name in page.NOTEBOOKS:
        notebooks = notebooks.with_app(path=f"/{name}", root=str(FOLDER / f"{name}.py"))
    apps = notebooks.build()
    return Starlette(
        routes=[Route("/", _index), Mount("/", apps)],
        middleware=[Middleware(_assets_are_kept)],
        lifespan=lambda _: _ended(apps),
    )


def _assets_are_kept(app: ASGIApp) -> ASGIApp:
    """marimo's front end is of 250 files, named after their content: a browser that has one need not ask again."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def start(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
                message["headers"] = [*message["headers"], (b"cache-control", b"max-age=31536000, immutable")]
            await send(message)

        await app(scope, receive, start if "/assets/" in scope.get("path", "") else send)

    return answer


@asynccontextmanager
async def _ended(apps: Starlette) -> AsyncIterator[None]:
    """Ends every open notebook with the server, and waits for it: each is a thread, and one that still lets go of its
    database while Python ends would abort the process."""
    yield
    managers = [route.app.state.session_manager for route in apps.routes if isinstance(route, Mount)]
    open_ones = [session for manager in managers for session in manager.sessions.values()]
    for manager in managers:
        await manager.shutdown()
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while any(session.kernel_state() is KernelState.RUNNING for session in open_ones):
                await asyncio.sleep(0.02)


def _index(_request: Request) -> HTMLResponse:
    links = Markup("").join(
        Markup("<li><a href='{}/'>{}</a><p class='says'>{}</p></li>").format(name, title, says)
        for name, (title, says) in page.NOTEBOOKS.items()
    )
    return HTMLResponse(_INDEX.format(Markup(page.style()), links))  # noqa: S704  our own files
