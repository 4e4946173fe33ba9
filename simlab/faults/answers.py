"""The faults of one answer: another status, another body, or a body that breaks off."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from email.utils import formatdate

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simlab.api.answers import json_answer, text_answer, user_message
from simlab.faults import connections
from simlab.faults.kinds import Kind

_DRIP_SECONDS = 0.02
LOGIN_PAGE = """<!DOCTYPE html>
<html><head><title>Sign in</title></head>
<body><form action="/login" method="post"><input name="user"/><input name="secret" type="password"/></form></body>
</html>"""
GATEWAY_PAGE = "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>502 Bad Gateway</body>\n</html>"
BUSY = "The service is busy, please try again later"


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the server below would see it."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send

    async def pass_on(self) -> None:
        """The right answer."""
        await self.app(self.scope, self.receive, self.send)

    async def answer(self, response: Response) -> None:
        """Another answer."""
        await response(self.scope, self.receive, self.send)


async def captured(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """The head and the body of the right answer, kept back. Routing writes into a scope, so it gets its own."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(dict(scope), receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def strike(kind: Kind, call: Call, seconds: float) -> None:
    """Gives the fault as the answer. `seconds`: how long slow and never-ending ones take, and clients are sent away."""
    match kind:
        case Kind.SLOW:
            await asyncio.sleep(seconds)
            await call.pass_on()
        case Kind.TRUNCATED_BODY:
            await _truncated(call)
        case Kind.NEVER_ENDING_BODY:
            await _never_ending(call, seconds)
        case Kind.RESET:
            await connections.reset(call.scope, call.receive)
        case _:
            await call.answer(_other_answer(kind, call.scope["path"], seconds))


def _other_answer(kind: Kind, path: str, seconds: float) -> Response:
    match kind:
        case Kind.TOO_MANY:
            return text_answer("Too many requests", 429)
        case Kind.TOO_MANY_SECONDS:
            response = text_answer("Too many requests", 429)
            response.headers["Retry-After"] = str(round(seconds))
            return response
        case Kind.TOO_MANY_DATE:
            response = text_answer("Too many requests", 429)
            response.headers["Retry-After"] = formatdate(round(time.time() + seconds), usegmt=True)
            return response
        case Kind.SERVER_ERROR:
            return text_answer("Internal Server Error", 500)
        case Kind.BAD_GATEWAY:
            return HTMLResponse(GATEWAY_PAGE, 502)
        case Kind.UNAVAILABLE:
            return text_answer("Service Unavailable", 503)
        case Kind.LOGIN_PAGE:
            return HTMLResponse(LOGIN_PAGE)
        case Kind.ERROR_MESSAGE if "/services-host/" in path:
            return json_answer({"errorMessage": BUSY})
        case Kind.ERROR_MESSAGE:
            return user_message(200, BUSY)
        case Kind.EXPIRED:
            return json_answer({"code": 401}, 401)
    raise ValueError(kind)


async def _truncated(call: Call) -> None:
    """The whole length is promised, half of it is sent."""
    head, body = await captured(call.app, call.scope, call.receive)
    await call.send(head)
    await call.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await connections.cut(call.scope, call.receive)


async def _never_ending(call: Call, seconds: float) -> None:
    """No length is promised; white space follows half of the body until the lab has had enough."""
    head, body = await captured(call.app, call.scope, call.receive)
    headers = [(name, value) for name, value in head["headers"] if name.lower() != b"content-length"]
    await call.send({**head, "headers": headers})
    await call.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await call.send({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.sleep(_DRIP_SECONDS)
    await connections.reset(call.scope, call.receive)
