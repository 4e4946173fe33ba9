"""When the soak's processes are killed, and when its servers are away."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipelines.lib.clock import utc_now
from tests.proofs.deployment import CONNECTIONS, Deployment, processes_of, until
from tests.proofs.soak_labs import SEED, Labs

BETWEEN_KILLS = (60, 100)  # seconds
LATE_AFTER = timedelta(minutes=15)
CHECKED = timedelta(minutes=15), timedelta(minutes=8)  # lateness: how often, and when from the full hour
VICTIMS = ("run", "run", "run", "code", "daemon", "postgres")


@dataclass(frozen=True)
class Disturbance:
    what: str
    began: datetime
    ended: datetime
    connections: tuple[str, ...] = tuple(CONNECTIONS.values())


@dataclass
class Plan:
    """When what happens. The servers that go away do so long enough to be late, and come back to be a gap."""

    began: datetime
    minutes: float
    with_late_data: bool
    disturbances: list[Disturbance] = field(default_factory=list)

    @property
    def checked(self) -> datetime:
        """The first check of lateness that may find the servers that went away late."""
        every, offset = CHECKED
        hour = self.began.replace(minute=0, second=0, microsecond=0)
        earliest = self.began + LATE_AFTER + timedelta(minutes=3)
        return hour + offset + -((hour + offset - earliest) // every) * every

    @property
    def away(self) -> tuple[datetime, datetime]:
        if not self.with_late_data:
            return self.began + timedelta(minutes=1), self.began + timedelta(minutes=3, seconds=30)
        return self.checked - LATE_AFTER - timedelta(minutes=2), self.checked + timedelta(minutes=1)

    @property
    def ends(self) -> datetime:
        end = self.began + timedelta(minutes=self.minutes)
        every, _ = CHECKED
        return max(end, self.checked + every + timedelta(minutes=1)) if self.with_late_data else end


def kill(victim: str, deployment: Deployment, draw: random.Random) -> Disturbance | None:
    began = utc_now()
    if victim == "postgres":
        deployment.postgres.stop_at_once()
        time.sleep(8)
        deployment.postgres.start()
    elif victim == "run":
        of_runs = sorted(
            process
            for process, command in processes_of(deployment.home).items()
            if "spawn_main" in command or "/dbt " in command
        )
        if not of_runs:
            return None
        with suppress(ProcessLookupError):
            os.kill(draw.choice(of_runs), signal.SIGKILL)
    else:
        unit = deployment.units[victim]
        starts = unit.starts
        unit.end(signal.SIGKILL)
        until(lambda: unit.starts > starts, f"{victim} is started again")
    return Disturbance(victim, began, utc_now())


def disturb(plan: Plan, deployment: Deployment, labs: Labs) -> None:
    """Until the end: a kill now and then, and one time without the servers."""
    draw, kills = random.Random(SEED), 0
    with ExitStack() as servers:
        servers.enter_context(labs.serving(1))
        next_kill = plan.began + timedelta(seconds=45)
        is_away = False
        while utc_now() < plan.ends:
            time.sleep(1)
            begins, ends = plan.away
            if not is_away and begins <= utc_now() < ends:
                is_away = True
                servers.close()
            elif is_away and utc_now() >= ends:
                is_away = False
                servers.enter_context(labs.serving(1))
                plan.disturbances.append(Disturbance("servers", begins, utc_now(), ("ots", "et")))
            elif utc_now() >= next_kill and utc_now() < plan.ends - timedelta(seconds=90):
                victim = VICTIMS[kills % len(VICTIMS)] if kills < len(VICTIMS) else draw.choice(VICTIMS)
                if done := kill(victim, deployment, draw):
                    plan.disturbances.append(done)
                    kills += 1
                next_kill = utc_now() + timedelta(seconds=draw.uniform(*BETWEEN_KILLS))
