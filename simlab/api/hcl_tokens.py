"""HCL's token exchange: an offline token buys access tokens that last 300 seconds."""

from __future__ import annotations

import secrets
import time
import uuid
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from simlab.api.answers import Refusal, json_answer
from simlab.clock import SECOND, Clock
from simlab.credentials import hcl_offline_token

LIFETIME_SECONDS = 300
SCOPE = "testserver email offline_access profile"


class Tokens:
    """The access tokens given out. They age by the lab's clock, and by this machine's where that one stands still."""

    def __init__(self, connection: str, clock: Clock) -> None:
        self._offline_token = hcl_offline_token(connection)
        self._clock = clock
        self._issued: dict[str, tuple[int, float]] = {}

    async def exchange(self, request: Request) -> Response:
        """A new access token; every second answer leaves `expires_in` out, as one of the two published ones does."""
        form = parse_qs((await request.body()).decode())
        if "refresh_token" not in form:
            return json_answer({"code": 400}, 400)
        if not secrets.compare_digest(form["refresh_token"][0].encode(), self._offline_token.encode()):
            return json_answer({"code": 401}, 401)
        access_token = f"eyJsimlab.{secrets.token_urlsafe(24)}"
        self._issued[access_token] = (self._clock.now(), time.monotonic())
        answer = {
            "access_token": access_token,
            "scope": SCOPE,
            "session_state": str(uuid.uuid4()),
            "token_type": "bearer",
        }
        if len(self._issued) % 2:
            answer |= {
                "expires_in": LIFETIME_SECONDS,
                "id_token": None,
                "not-before-policy": 0,
                "refresh_expires_in": 0,
                "refresh_token": self._offline_token,
            }
        return json_answer(answer)

    def require(self, request: Request) -> None:
        """Refusal unless the request carries an access token that has not expired."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        issued = self._issued.get(token)
        if scheme.lower() != "bearer" or issued is None or self._age_seconds(*issued) >= LIFETIME_SECONDS:
            raise Refusal(json_answer({"code": 401}, 401))

    def _age_seconds(self, lab_time: int, machine_time: float) -> float:
        age = (self._clock.now() - lab_time) / SECOND
        return max(age, time.monotonic() - machine_time) if self._clock.is_standing else age
