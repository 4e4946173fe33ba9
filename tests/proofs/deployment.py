"""`deploy/` as it stands, on this machine: PostgreSQL of Debian, and the units of systemd as processes.

A unit is started by the command, with the variables and the rights on new files that its file says, and started again
after the pause that it says whenever it ends, as systemd would. Only paths, ports and the user are this test's own.
"""

from __future__ import annotations

import configparser
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.defs.sources import contracts
from tests.orchestration.told_landings import day_landed, tell

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
PORT_OF_PAGES = "3000"
CONNECTIONS = {"perfecto": "acme", "hcl": "ots", "enterprise_tester": "et"}
"""Of the simulated lab, by kind."""

_CLUSTERS = Path("/usr/lib/postgresql")
_SECONDS_TO_START = 180


def needs_postgres() -> None:
    """Skips where there is no PostgreSQL as Debian has it, or no right to start one."""
    missing = [name for name in ("pg_createcluster", "pg_ctlcluster", "runuser") if not shutil.which(name)]
    try:
        import dagster_postgres  # noqa: F401
    except ImportError:
        missing.append("dagster-postgres (`make postgres`)")
    if os.geteuid():
        missing.append("root, who starts PostgreSQL")
    if missing and os.environ.get("FLAKEHOUSE_REQUIRE_ALL") == "1":
        pytest.fail(f"not there: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not there: {', '.join(missing)}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass(frozen=True)
class Postgres:
    """A cluster of its own, with a database and a user for Dagster."""

    version: str
    name: str
    port: int
    password: str

    def start(self) -> None:
        self._ctl("start")

    def stop_at_once(self) -> None:
        """As when the machine fails: nothing is put in order, the next start does."""
        self._ctl("-m", "immediate", "stop")

    def sql(self, statement: str) -> None:
        command = ["runuser", "-u", "postgres", "--", "psql", "-q", "-p", str(self.port), "-c", statement]
        subprocess.run(command, check=True, cwd="/", capture_output=True)

    def _ctl(self, *arguments: str) -> None:
        command = ["pg_ctlcluster", "--skip-systemctl-redirect", *arguments[:-1], self.version, self.name]
        subprocess.run([*command, arguments[-1]], check=True, capture_output=True, cwd="/")


@contextmanager
def postgres() -> Iterator[Postgres]:
    version = max((folder.name for folder in _CLUSTERS.iterdir()), key=int)
    cluster = Postgres(version, f"flakehouse_{secrets.token_hex(4)}", free_port(), secrets.token_hex(8))
    create = ["pg_createcluster", "-p", str(cluster.port), "--start-conf=manual", version, cluster.name]
    subprocess.run(create, check=True, capture_output=True, cwd="/")
    try:
        cluster.start()
        cluster.sql(f"create role flakehouse login password '{cluster.password}'")
        cluster.sql("create database flakehouse owner flakehouse")
        yield cluster
    finally:
        drop = ["pg_dropcluster", "--stop", version, cluster.name]
        subprocess.run(drop, check=True, capture_output=True, cwd="/")


# --- units -----------------------------------------------------------------------------------------------------


@dataclass
class Unit:
    """One service, kept going until it is stopped."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    restart_seconds: float
    umask: int
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    _is_stopping: threading.Event = field(default_factory=threading.Event)
    _keeper: threading.Thread | None = None

    def start(self) -> None:
        self._is_stopping.clear()
        self._begin()
        self._keeper = threading.Thread(target=self._keep, name=self.name, daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """As `systemctl stop`."""
        self._is_stopping.set()
        self.end(signal.SIGTERM)
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        self.end(signal.SIGKILL)
        if self._keeper is not None:
            self._keeper.join()

    def end(self, by: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(by)

    def _begin(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=self.umask,
            )
        self.starts += 1

    def _keep(self) -> None:
        while True:
            assert self.process is not None
            self.process.wait()
            if self._is_stopping.wait(self.restart_seconds):
                return
            self._begin()


@dataclass
class Deployment:
    """The services, their database and the home that they keep going."""

    home: Path
    environment: Mapping[str, str]
    postgres: Postgres
    units: Mapping[str, Unit]
    pages: str

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Dagster's storage, as a typed command sees it."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            with dg.DagsterInstance.from_config(str(self.home / "dagster")) as instance:
                yield instance

    def doctor(self, within: Sequence[str] = ()) -> tuple[int, str]:
        """Exit code and output of `flakehouse doctor`, typed where the deployment runs; or of a shell `within` which
        it is typed, as `$0`.
        """
        flakehouse = str(Path(sys.executable).with_name("flakehouse"))
        return self._typed([*within, flakehouse] if within else [flakehouse, "doctor"])

    def flakehouse(self, *arguments: str) -> None:
        """A command that a person types there, and that succeeds."""
        code, said = self._typed([str(Path(sys.executable).with_name("flakehouse")), *arguments])
        assert code == 0, said

    def _typed(self, command: Sequence[str]) -> tuple[int, str]:
        done = subprocess.run(
            command, env=self.environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr


@contextmanager
def deployed(
    folder: Path, connections: Path, settings: Mapping[str, str], parts: tuple[str, ...] = ("code", "daemon")
) -> Iterator[Deployment]:
    """A home, its PostgreSQL and these units under way."""
    needs_postgres()
    home = folder / "home"
    code, pages = str(free_port()), str(free_port())
    (home / "dagster").mkdir(parents=True)
    shutil.copyfile(DEPLOY / "dagster.yaml", home / "dagster" / "dagster.yaml")
    with postgres() as database:
        environment = {
            **os.environ,
            **_example(),
            "FLAKEHOUSE_HOME": str(home),
            "FLAKEHOUSE_CONNECTIONS": str(connections),
            "FLAKEHOUSE_UI_URL": f"http://127.0.0.1:{pages}",
            "DAGSTER_HOME": str(home / "dagster"),
            "FLAKEHOUSE_CODE_PORT": code,
            "FLAKEHOUSE_PG_PORT": str(database.port),
            "FLAKEHOUSE_PG_PASSWORD": database.password,
            **settings,
        }
        own = {"${FLAKEHOUSE_CODE_PORT}": code, PORT_OF_PAGES: pages}
        units = {part: _unit(part, environment, own, folder) for part in parts}
        try:
            for unit in units.values():
                unit.start()
            until(lambda: _answers(int(code)), "the code location answers")
            yield Deployment(home, environment, database, units, environment["FLAKEHOUSE_UI_URL"])
        finally:
            for unit in units.values():
                if unit.process is not None:
                    unit.stop()
            end_runs(home)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def end_runs(home: Path) -> None:
    """Runs outlive the code location that started them: those of this home go too."""
    for process in processes_of(home):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def processes_of(home: Path) -> dict[int, str]:
    """Every process with the home in its environment, but for this one's, and its command."""
    mark, found = f"FLAKEHOUSE_HOME={home}".encode(), {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def tell_of_days(lake: Path, ages: Iterable[int], at: datetime) -> None:
    """The lake was asked for these days with success: the lab's world begins after them, and holds nothing there."""
    for contract in contracts():
        for table in contract.TABLES:
            if table.kind == "window":
                days = [at.date() - timedelta(days=age) for age in ages]
                rows = (day_landed(table.source, table.name, day, at, rows=0) for day in days)
                tell(lake, CONNECTIONS[contract.KIND], *rows)


def _example() -> dict[str, str]:
    lines = (DEPLOY / "flakehouse.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def _unit(part: str, environment: Mapping[str, str], own: Mapping[str, str], folder: Path) -> Unit:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / "systemd" / f"flakehouse-{part}.service")
    service = parser["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    command = [str(Path(sys.executable).with_name(Path(program).name))]
    command += [own.get(argument, argument) for argument in arguments]
    restart_seconds, umask = float(service["RestartSec"]), int(service["UMask"], 8)
    return Unit(part, command, environment, restart_seconds, umask, folder / f"{part}.log")


def until(is_so: Callable[[], bool], what: str, seconds: float = _SECONDS_TO_START) -> None:
    """Waits until it is so; fails, saying what never was, after so long."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:.0f} s")
        time.sleep(1)
