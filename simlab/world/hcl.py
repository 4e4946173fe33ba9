"""One simulated HCL DevOps Test Server: executions by day, agents and docker hosts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from random import Random

from simlab.world.model import Agent, DockerHost, ServerExecution
from simlab.world.randomness import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    fraction,
    guid,
    hex_digits,
    midnight,
    ordinal_of,
    stream,
)

PROJECTS = {"1050": 24, "1051": 8}  # executions a day
_STATUSES = (
    ("COMPLETE", 0.62), ("COMPLETE_WITH_ERROR", 0.12), ("STOPPED_BY_USER", 0.06), ("STOPPED_AUTOMATICALLY", 0.04),
    ("INCOMPLETE", 0.04), ("CANCELED", 0.06), ("LAUNCH_FAILED", 0.06),
)  # fmt: skip
_NEVER_STARTED = ("CANCELED", "LAUNCH_FAILED")
_MESSAGES = {
    "COMPLETE_WITH_ERROR": (
        "CRWAE: schedule ended, {n} virtual testers reported errors",
        "Verdict could not be written: result store answered 500",
        "Agent disconnected before the log was transferred",
    ),
    "STOPPED_AUTOMATICALLY": ("Stopped after the time limit of {n} minutes",),
    "INCOMPLETE": ("Agent lost contact while the test was running", "Execution container was evicted"),
    "LAUNCH_FAILED": (
        "No agent with the required capability 'chrome' is available",
        "Image pull failed: manifest unknown",
        "The dataset 'Kunden.csv' could not be opened",
    ),
    "STOPPED_BY_USER": ("Stopped by ingrid.dahl",),
}
_ASSETS = (
    ("orders/Rate Schedule", "RATESCHEDULE"), ("orders/Vu Schedule", "VUSCHEDULE"), ("api/Order API", "APITEST"),
    ("api/Customer API", "APITEST"), ("ui/Checkout", "AFTSUITE"), ("ui/Login", "EXT_TEST_SEL"),
    ("load/Black Friday", "EXT_TEST_JMETER"), ("unit/Billing", "EXT_TEST_JUNIT"), ("stub/Payment stub", "APISTUB"),
)  # fmt: skip
_AGENTS = (
    ("perf-agent-01", "Linux", "amd64", 34_359_738_368), ("perf-agent-02", "Linux", "amd64", 34_359_738_368),
    ("ui-agent-win", "Windows Server 2019", "amd64", 17_179_869_184), ("ui-agent-mac", "macOS 13", "aarch64", 8_589_934_592),
    ("Spare-Agent", "Linux", "amd64", 4_294_967_296),
)  # fmt: skip
_SLOT = 20 * MINUTE  # an agent's contact is lost for a whole number of these
LOST_SHARE = 0.03


class HclServer:
    """Implements `simlab.world.model.HclWorld`."""

    def __init__(self, seed: int, connection: str, first_day: date, days: int) -> None:
        self.connection = connection
        self._key = (seed, connection)
        self._first, self._last = first_day.toordinal(), first_day.toordinal() + days - 1
        self._on_day = lru_cache(maxsize=64)(self._executions)

    def project_ids(self) -> Sequence[str]:
        return tuple(PROJECTS)

    def executions(self, project_id: str, day: date) -> Sequence[ServerExecution]:
        """Those scheduled on a UTC day, by schedule; empty outside the world's days."""
        ordinal = day.toordinal()
        if project_id not in PROJECTS or not self._first <= ordinal <= self._last:
            return ()
        return self._on_day(project_id, ordinal)

    def _executions(self, project_id: str, ordinal: int) -> tuple[ServerExecution, ...]:
        rng = stream("server executions", *self._key, project_id, ordinal)
        count = int(PROJECTS[project_id] * (0.8 + 0.4 * rng.random()))
        times = sorted(midnight(ordinal) + int(rng.random() * DAY) for _ in range(count))
        return tuple(self._execution(project_id, ordinal, number, at, rng) for number, at in enumerate(times))

    def _execution(self, project_id: str, ordinal: int, number: int, at: int, rng: Random) -> ServerExecution:
        draw, status = rng.random(), _STATUSES[0][0]
        for name, share in _STATUSES:
            if draw < share:
                status = name
                break
            draw -= share
        started = at + int((5 + 90 * rng.random()) * SECOND)
        completed = started + int((1 + 50 * rng.random() ** 3 * 4) * MINUTE)
        if status in _NEVER_STARTED:
            completed = at + int((10 + 600 * rng.random()) * SECOND)
        texts = _MESSAGES.get(status)
        message = (
            texts[int(rng.random() * len(texts))].format(n=int(rng.random() * 90) + 5) if texts else None
        )
        path, kind = _ASSETS[int(rng.random() * len(_ASSETS))]
        is_failed = status in ("COMPLETE_WITH_ERROR", "INCOMPLETE", "LAUNCH_FAILED")
        return ServerExecution(
            id=guid("execution", *self._key, project_id, ordinal, number),
            project_id=project_id,
            result_id=str(ordinal * 100 + number),
            status=status,
            scheduled_at=at,
            started_at=None if status in _NEVER_STARTED else started,
            completed_at=completed,
            message=message,
            environment=("staging", "preprod", "lab")[int(rng.random() * 3)],
            asset_id=hex_digits(12, "asset", project_id, path),
            asset_path=path,
            asset_type=kind,
            tags=tuple(rng.sample(("nightly", "LAB-1203", "LAB-77", "smoke"), int(rng.random() * 3))),
            log=f"{message}\n\tat com.acme.load.Driver.run(Driver.java:{number + 20})" if is_failed else None,
        )

    def agents(self) -> Sequence[Agent]:
        return tuple(
            Agent(
                id=100 + index,
                host_name=name,
                ip_address=f"10.20.0.{11 + index}",
                owner="ingrid.dahl",
                operating_system=system,
                architecture=architecture,
                ram_bytes=ram,
                version="10.5.4",
            )
            for index, (name, system, architecture, ram) in enumerate(_AGENTS)
        )

    def agent_state(self, agent_id: int, at: int) -> tuple[str, int, int]:
        """Lost for stretches of twenty minutes; else busy with the executions that fall to the agent."""
        slot = at // _SLOT
        if self._is_lost(agent_id, slot):
            while self._is_lost(agent_id, slot - 1):
                slot -= 1
            return "LOST", 0, slot * _SLOT
        engines = sum(
            execution.started_at is not None and execution.started_at <= at < (execution.completed_at or at)
            for project_id in PROJECTS
            for ordinal in (ordinal_of(at) - 1, ordinal_of(at))
            if self._first <= ordinal <= self._last
            for execution in self._on_day(project_id, ordinal)
            if int(execution.id[:4], 16) % (len(_AGENTS) - 1) == agent_id - 100
        )
        return ("BUSY" if engines else "AVAILABLE"), engines, at - at % (15 * SECOND)

    def _is_lost(self, agent_id: int, slot: int) -> bool:
        return fraction("lost agent", *self._key, agent_id, slot) < LOST_SHARE

    def docker_hosts(self) -> Sequence[DockerHost]:
        """With credentials that are invented, and easy to search for where they must not be."""
        return tuple(
            DockerHost(
                id=7 + index,
                name=name,
                host_name=f"{name}.lab.example.com",
                ip_address=f"10.30.0.{5 + index}",
                port="2376",
                owner="bruno.keller",
                username=f"canary-docker-user-{index}",
                ca_cert=f"-----BEGIN CERTIFICATE-----\nCANARY-CA-CERT-{index}\n-----END CERTIFICATE-----",
                client_cert=f"-----BEGIN CERTIFICATE-----\nCANARY-CLIENT-CERT-{index}\n-----END CERTIFICATE-----",
                client_key=f"-----BEGIN PRIVATE KEY-----\nCANARY-CLIENT-KEY-{index}\n-----END PRIVATE KEY-----",
            )
            for index, name in enumerate(("docker-east", "docker-west"))
        )

    def docker_host_status(self, host_id: int, at: int) -> tuple[str, str | None]:
        if fraction("docker", *self._key, host_id, at // HOUR) < 0.06:
            return "FAILED", "connect timed out after 5000 ms"
        return "OK", None
