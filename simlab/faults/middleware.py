"""The faults in front of the lab's servers, as ASGI middleware."""

from __future__ import annotations

from collections import defaultdict

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from simlab.faults import answers
from simlab.faults.answers import Call
from simlab.faults.kinds import Kind, of_an_answer
from simlab.faults.listings import Listing, page_request
from simlab.faults.plan import PROFILES, Plan
from simlab.request_log import without_secrets


class Faults:
    """One profile, drawn from one seed. `seconds` bounds slow and never-ending answers, and is what clients wait."""

    def __init__(self, profile: str, seed: int, seconds: float) -> None:
        self.profile = profile
        self.plan = Plan(PROFILES[profile], seed)
        self._seconds = seconds
        self._expired: set[bytes] = set()
        self._refused: set[str] = set()
        self._emptied: defaultdict[str, set[int]] = defaultdict(set)

    @property
    def middleware(self) -> list[Middleware]:
        """Nothing, or these faults."""
        return [] if self.profile == "none" else [Middleware(_Struck, faults=self)]

    def record(self) -> dict[str, object]:
        """The profile, and what struck so far, by kind and request."""
        return {"profile": self.profile, "kinds": self.plan.by_kind(), "strikes": list(self.plan)}

    async def serve(self, call: Call) -> None:
        """The answer, or a fault."""
        question = f"{call.scope['method']} {without_secrets(call.scope)}"
        if self._is_expired(call.scope):
            self._refused.add(question)
            self.plan.struck(Kind.EXPIRED, question)
            await answers.strike(Kind.EXPIRED, call, self._seconds)
            return
        kind = self.plan.next(_asked_again(question), of_an_answer(call.scope["path"]))
        if kind is Kind.EXPIRED:
            kind = self._expire(call.scope, question)
        self._refused.discard(question)
        if kind is not None:
            if kind is Kind.EXPIRED:
                self._refused.add(question)
            self.plan.struck(kind, question)
            await answers.strike(kind, call, self._seconds)
        else:
            await self._page(call, question)

    def _is_expired(self, scope: Scope) -> bool:
        return _authorization(scope) in self._expired

    def _expire(self, scope: Scope, question: str) -> Kind | None:
        """Expires the token that was sent; but not the new one of a client that has just been told."""
        if question in self._refused or not (authorization := _authorization(scope)):
            return None
        self._expired.add(authorization)
        return Kind.EXPIRED

    async def _page(self, call: Call, question: str) -> None:
        asked = page_request(call.scope)
        kind = None
        if asked is not None:
            kind = self.plan.of_listing(asked.listing, is_first_page=not asked.offset)
        if asked is None or kind is None:
            await call.pass_on()
            return
        if not asked.offset:
            self._emptied[asked.listing].clear()
        shown = await Listing(call.app, call.scope, asked).struck(kind, self._emptied[asked.listing])
        if shown is None:
            await call.pass_on()
            return
        if asked.offset:
            self.plan.struck(kind, question)
        await call.answer(shown)


class _Struck:
    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/_lab/"):
            await self._faults.serve(Call(self._app, scope, receive, send))
        else:
            await self._app(scope, receive, send)


def _asked_again(question: str) -> str:
    """What is the same whenever a question is asked: the test server is asked for times relative to now."""
    return question.partition("?")[0] if " /hcl/" in question else question


def _authorization(scope: Scope) -> bytes:
    return next((value for name, value in scope["headers"] if name == b"authorization"), b"")
