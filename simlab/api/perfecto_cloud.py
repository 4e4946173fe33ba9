"""One simulated Perfecto cloud: its world, its clock, and who may ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

from starlette.requests import Request

from simlab.api.answers import Refusal, user_message
from simlab.clock import DAY, Clock, day_of, start_of
from simlab.credentials import ADMIN, PerfectoTokens, perfecto_tokens
from simlab.world.model import PerfectoWorld, TestRun

# Vendor samples send the first on the export, the second in older code; names of headers have no case.
TOKEN_HEADERS = ("perfecto-authorization", "perfecto_authorization")
LONGEST_RUN_DAYS = 2


@dataclass(frozen=True)
class PerfectoCloud:
    """One cloud. `retention_days` None: the whole history is shown. `device_json`: allowed, forbidden, unauthorised."""

    world: PerfectoWorld
    clock: Clock
    retention_days: int | None = 90
    device_json: str = "allowed"
    tokens: PerfectoTokens = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", perfecto_tokens(self.world.connection))

    @property
    def connection(self) -> str:
        """The connection's name, which is also the cloud's."""
        return self.world.connection

    @property
    def tenant(self) -> str:
        """The tenant's id, as in the header and the metadata."""
        return f"{self.connection}-perfectomobile-com"

    @property
    def admin_user(self) -> str:
        """The user who sees everything."""
        return f"{ADMIN}@{self.connection}.example"

    @cached_property
    def member_user(self) -> str:
        """The user of the member token: an owner of runs on the last day that has any."""
        day = self.world.last_day()
        while day >= self.world.first_day():
            owners = [run.owner for run in self.world.test_runs(day)]
            if owners:
                return max(sorted(set(owners)), key=owners.count)
            day -= timedelta(days=1)
        return f"nobody@{self.connection}.example"

    def user_of(self, token: str) -> str | None:
        """The user a token belongs to; None for a token that this cloud never gave out."""
        if token == self.tokens.admin:
            return self.admin_user
        if token == self.tokens.member:
            return self.member_user
        return None

    def user(self, request: Request) -> str:
        """The user whose token a request carries in a header; Refusal without a good one.

        A token that cannot even be decoded is answered with 500, as a client of the vendor reports;
        one that is decoded but not known, or none, with 401.
        """
        token = next((value for name in TOKEN_HEADERS if (value := request.headers.get(name))), None)
        if token is None:
            raise Refusal(user_message(401, "Unable to authenticate: the request has no security token"))
        if not token.startswith("eyJ"):
            raise Refusal(user_message(500, f"Failed decoding the offline token: {token}"))
        user = self.user_of(token)
        if user is None:
            raise Refusal(user_message(401, "Unable to authenticate bearer token"))
        tenant = request.headers.get("perfecto-tenantid")
        if tenant is not None and tenant.lower() != self.tenant:
            raise Refusal(
                user_message(403, "The user does not belong to the tenant of the Perfecto-TenantId header")
            )
        return user

    def forgotten_before(self, now: int) -> int | None:
        """The time before which nothing is kept; None where everything is."""
        return None if self.retention_days is None else now - self.retention_days * DAY

    def runs_around(self, now: int) -> list[TestRun]:
        """Runs that can still be going on at `now`, by start; the world's days are asked, not the whole history."""
        runs: list[TestRun] = []
        day: date = day_of(now) - timedelta(days=LONGEST_RUN_DAYS)
        while start_of(day) <= now:
            if self.world.first_day() <= day <= self.world.last_day():
                runs += (run for run in self.world.test_runs(day) if run.started_at <= now)
            day += timedelta(days=1)
        return runs

    def running(self, now: int) -> list[TestRun]:
        """Runs going on at `now`, by start. One that never got an end is not: its machine crashed."""
        return [run for run in self.runs_around(now) if run.ended_at is not None and now < run.ended_at]
