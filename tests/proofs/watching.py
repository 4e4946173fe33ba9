"""Rounds of snapshots through days of a lab whose clock is moved, by the real clients and landing, without Dagster."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipelines.defs.sources.hcl_test_server import client as hcl
from pipelines.defs.sources.hcl_test_server.contract import AGENTS
from pipelines.defs.sources.perfecto_lab import client as perfecto_lab
from pipelines.defs.sources.perfecto_lab.contract import DEVICES, RESERVATIONS
from pipelines.defs.sources.perfecto_reporting import client as perfecto
from pipelines.defs.sources.perfecto_reporting.contract import TEST_EXECUTIONS
from pipelines.lib import landing
from pipelines.settings import Connections
from simlab.clock import start_of
from simlab.server import Lab


@dataclass(frozen=True)
class Round:
    """One observation: when, in milliseconds, and the interval that was set."""

    at: int
    interval_seconds: int

    @property
    def holds_until(self) -> int:
        return self.at + 3 * self.interval_seconds * 1000


def rounds_of(first: date, last: date, interval_seconds: int, seed: int) -> list[Round]:
    """Rounds of whole days, a little early each, at half the interval from the middle on.

    Left out are: one round in fifty, as when a machine was busy; several hours a week; and the tenth day.
    """
    draw = random.Random(seed)
    start, end = start_of(first), start_of(last + timedelta(days=1))
    at, found = start + draw.randrange(interval_seconds * 1000), []
    while at < end:
        seconds = interval_seconds if at < (start + end) // 2 else interval_seconds // 2
        day, hour = divmod((at - start) // 3_600_000, 24)
        if draw.random() > 0.02 and not (day % 7 == 1 and 9 <= hour < 15) and day != 9:
            found.append(Round(at, seconds))
        at += int(seconds * 1000 * (1 - 0.05 * draw.random()))
    return found


async def watch(lab: Lab, connections: Connections, lake: Path, rounds: Sequence[Round]) -> None:
    """Devices, reservations and agents of every connection at each of these times."""

    def now() -> datetime:
        return datetime.fromtimestamp(lab.clock.now() / 1000, UTC)

    async with AsyncExitStack() as stack:
        clouds = [
            (name, await stack.enter_async_context(perfecto_lab.client(cloud, now)))
            for name, cloud in connections.perfecto.items()
        ]
        servers = [
            (name, await stack.enter_async_context(hcl.client(server, now)))
            for name, server in connections.hcl.items()
        ]
        for round_ in rounds:
            lab.clock.advance(round_.at - lab.clock.now())
            asked = [(DEVICES, name, cloud.devices()) for name, cloud in clouds]
            asked += [(RESERVATIONS, name, cloud.reservations()) for name, cloud in clouds]
            asked += [(AGENTS, name, server.agents()) for name, server in servers]
            for table, name, answer in asked:
                await landing.append(lake, table, name, answer, round_.interval_seconds)


async def land_test_executions(
    lab: Lab, connections: Connections, lake: Path, first: date, last: date
) -> None:
    """These days of every cloud, asked for two days later, when late ones can be seen."""
    lab.clock.advance(start_of(last + timedelta(days=3)) - lab.clock.now())
    now = datetime.fromtimestamp(lab.clock.now() / 1000, UTC)
    for name, cloud in connections.perfecto.items():
        async with perfecto.client(cloud, lambda: now) as source:
            for day in days(first, last):
                start = datetime(day.year, day.month, day.day, tzinfo=UTC)
                tests = source.test_executions(start, start + timedelta(days=1))
                await landing.merge(lake, TEST_EXECUTIONS, name, day, tests)


def days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))
