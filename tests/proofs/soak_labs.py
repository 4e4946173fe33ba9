"""Where the soak's world is served: the cloud on one port, and on another the servers that go away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from simlab.connections import connections_toml
from simlab.server import LabConfig, start
from tests.proofs import soak_world
from tests.proofs.deployment import free_port

SEED = 7
RUNS_A_MINUTE = 100
READ_EVERY_MINUTES = 5
ROUNDS_EVERY_MINUTES = {"acme": 1, "ots": 2, "et": 2}


@dataclass
class Labs:
    """Two labs on ports of their own: the cloud, and the servers that go away."""

    time: soak_world.Time
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))

    def __post_init__(self) -> None:
        world = soak_world.cloud(SEED, self.time, RUNS_A_MINUTE)
        self.worlds = (soak_world.Servers(perfecto=[world]), soak_world.servers(SEED, self.time))

    @contextmanager
    def serving(self, which: int, clock: str = "real", faults: str = "flaky") -> Iterator[None]:
        end = self.time.first_day + timedelta(days=self.time.days - 1)
        config = LabConfig(port=self.ports[which], days=self.time.days, end=end, clock=clock, faults=faults)
        with start(config, self.worlds[which]):
            yield

    def connections_toml(self) -> str:
        both = zip(self.worlds, self.ports, strict=True)
        text = "\n".join(connections_toml(world, f"http://127.0.0.1:{port}") for world, port in both)
        text = text.replace("[perfecto.acme]", '[perfecto.acme]\ncommands = "failed"')
        for name, minutes in ROUNDS_EVERY_MINUTES.items():
            cadence = f"snapshot_every_minutes = {minutes}\nread_every_minutes = {READ_EVERY_MINUTES}"
            text = re.sub(rf"(?m)^(\[\w+\.{name}\])$", rf"\1\n{cadence}", text)
        return text
