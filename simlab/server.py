"""The simulated lab as a server on loopback: in the foreground for people, in a thread for tests and the demo."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import uvicorn

from simlab.api.perfecto_cloud import PerfectoCloud
from simlab.app import build_app
from simlab.clock import Clock, day_of, parse_clock
from simlab.connections import connections_toml, urls, write_connections
from simlab.faults import PROFILES, Faults
from simlab.faults.connections import BreakableProtocol
from simlab.history import HistoryLab
from simlab.lab_error import LabError
from simlab.request_log import RequestLog
from simlab.world import build_world
from simlab.world.model import World

LOOPBACK = "127.0.0.1"
RETENTION_DAYS = 90  # ours: the vendor publishes none; recorded histories are shown whole
SECONDS_TO_START = 30
BACKLOG = 2_048


@dataclass(frozen=True)
class LabConfig:
    """What to simulate. `end` None: the clock's today; the world covers `days` days up to it, included.

    `device_json`: `allowed`, or `forbidden` (403) or `unauthorised` (401), as clouds that only offer the XML list.
    `fault_seconds`: how long slow and never-ending answers last, and what `Retry-After` asks for.
    `density`: how busy the Perfecto cloud is; 220 makes days of more than 100,000 test executions.
    """

    port: int = 0
    seed: int = 1
    days: int = 14
    end: date | None = None
    clock: str = "real"
    faults: str = "none"
    histories: tuple[Path, ...] = ()
    connections: Path | None = None
    truth: Path | None = None
    device_json: str = "allowed"
    fault_seconds: float = 2.0
    density: float = 1.0


@dataclass(frozen=True)
class Lab:
    """A running lab."""

    port: int
    urls: dict[str, dict[str, dict[str, str]]]
    connections_toml: str
    world: World
    clock: Clock
    request_log: RequestLog
    faults: Faults

    @property
    def requests(self) -> list[dict[str, object]]:
        """Every request so far: `method`, `path` (secrets starred), `at` by the lab's clock."""
        return list(self.request_log)


@dataclass(frozen=True)
class _Prepared:
    lab: Lab
    server: uvicorn.Server
    socket: socket.socket
    headline: dict[str, object]


def _prepare(config: LabConfig, world: World | None = None) -> _Prepared:
    if config.faults not in PROFILES:
        raise LabError(f"there is no fault profile {config.faults!r}; there is: {', '.join(PROFILES)}")
    if config.days < 1:
        raise LabError("the lab needs at least one day")
    if config.density <= 0:
        raise LabError("the lab's density must be more than 0")
    clock = parse_clock(config.clock)
    last_day = config.end or day_of(clock.now())
    first_day = last_day - timedelta(days=config.days - 1)
    if config.histories:
        world = HistoryLab(config.histories)
        first_day = min(cloud.first_day() for cloud in world.perfecto)
        last_day = max(cloud.last_day() for cloud in world.perfecto)
    elif world is None:
        world = build_world(config.seed, first_day, config.days, config.density)
    retention_days = None if config.histories else RETENTION_DAYS
    clouds = [PerfectoCloud(cloud, clock, retention_days, config.device_json) for cloud in world.perfecto]
    faults = Faults(config.faults, config.seed, config.fault_seconds)
    app = build_app(world, clouds, clock, (first_day, last_day), faults)
    if config.truth is not None:
        with _writing(config.truth):
            config.truth.mkdir(parents=True, exist_ok=True)
            world.write_truth(str(config.truth))
    listener = _listen(config.port)
    port = listener.getsockname()[1]
    base = f"http://{LOOPBACK}:{port}"
    lab = Lab(port, urls(world, base), connections_toml(world, base), world, clock, app, faults)
    if config.connections is not None:
        with _writing(config.connections):
            write_connections(config.connections, lab.connections_toml)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=BreakableProtocol,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
    )
    headline = {
        "port": port,
        "urls": lab.urls,
        "seed": config.seed,
        "first_day": first_day.isoformat(),
        "last_day": last_day.isoformat(),
        "clock": str(clock),
    }
    return _Prepared(lab, server, listener, headline)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LabError(f"{path} cannot be written: {error.strerror}") from error


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise LabError(f"port {port} cannot be opened on {LOOPBACK}: {error.strerror}") from error
    return listener


def run(config: LabConfig) -> None:
    """Serve in the foreground until interrupted; the first line printed is JSON with port and addresses."""
    prepared = _prepare(config)
    lines = [json.dumps(prepared.headline)]
    lines += [f"{name}: {value}" for name, value in prepared.lab.world.parameters().items()]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    with prepared.socket, suppress(KeyboardInterrupt):
        prepared.server.run(sockets=[prepared.socket])


@contextmanager
def start(config: LabConfig, world: World | None = None) -> Iterator[Lab]:
    """Serve from a thread of this process while the context is open; `world` replaces the one `config` describes."""
    prepared = _prepare(config, world)
    thread = threading.Thread(
        target=prepared.server.run, args=([prepared.socket],), name="simlab", daemon=True
    )
    thread.start()
    try:
        waiting = threading.Event()
        for _ in range(SECONDS_TO_START * 100):
            if prepared.server.started or not thread.is_alive():
                break
            waiting.wait(0.01)
        if not prepared.server.started:
            raise LabError("the lab did not start")
        yield prepared.lab
    finally:
        prepared.server.should_exit = True
        thread.join(timeout=10)
        prepared.socket.close()
