"""What a proof needs: a lab, a home of its own, the command as a user types it, and a place for its figures.

Each proof has a small size that `make test` runs and a full one, marked `proof`, that `make proof` runs and
writes to docs/proofs.md.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from simlab.request_log import RequestLog
from simlab.server import Lab, LabConfig, start
from tests.proofs.reads_only import changes

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Home:
    """A flakehouse home and the connections it reads."""

    path: Path
    connections: Path

    def flakehouse(self, *arguments: str, expect: int = 0) -> str:
        """Run the command as a user would; returns what it printed, and fails on any other exit code."""
        environment = {
            **os.environ,
            "FLAKEHOUSE_HOME": str(self.path),
            "FLAKEHOUSE_CONNECTIONS": str(self.connections),
        }
        done = subprocess.run(
            [Path(sys.executable).with_name("flakehouse"), *arguments],
            env=environment,
            cwd=self.path.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, (
            f"{arguments} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout + done.stderr

    def ingest(self, first: date, last: date, *arguments: str) -> str:
        return self.flakehouse("ingest", "--start", str(first), "--end", str(last), *arguments)

    def warehouse(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.path / "warehouse" / "flakehouse.duckdb"), read_only=True)

    def lake(self, source: str, table: str, columns: str = "*") -> list[tuple]:
        """A lake table's rows, connection and day included, in a fixed order."""
        files = self.path / "raw" / source / table / "*" / "*" / "*.parquet"
        return duckdb.sql(
            f"select {columns} from read_parquet('{files}', hive_partitioning=true, "
            "hive_types_autocast=false, union_by_name=true) where connection <> '_' order by all"
        ).fetchall()


@dataclass(frozen=True)
class Served:
    """A running lab, and the home that reads it."""

    lab: Lab
    home: Home
    first_day: date
    last_day: date
    truth: Path


def serve(folder: Path, config: LabConfig, first_day: date, last_day: date) -> Iterator[Served]:
    connections = folder / "connections.toml"
    with start(config) as lab:
        connections.write_text(lab.connections_toml)
        yield Served(lab, Home(folder / "home", connections), first_day, last_day, folder / "truth")


# --- one lab of known truth, for all proofs of the marts ------------------------------------------------------

END = date(2026, 6, 30)
CLOCK = "2026-07-02T00:00:00Z"  # late rows are visible, and the last day is over


@dataclass(frozen=True)
class Size:
    days: int
    seed: int


@dataclass(frozen=True)
class KnownLab:
    """The home that read a whole lab and built its marts, and what the lab's world knows."""

    home: Home
    days: int
    seed: int
    last_day: date
    folder: Path

    def truth(self, table: str) -> str:
        """A table of the world's truth, to select from."""
        return f"read_parquet('{self.folder / (table + '.parquet')}')"


SMALL = Size(days=12, seed=1)
FULL = tuple(Size(days=60, seed=seed) for seed in (1, 2, 3))


def read_lab(size: Size, tmp_path_factory: pytest.TempPathFactory) -> KnownLab:
    """Read once per size: by the first process that needs it, for every file and process of the session."""
    session = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent
    folder = session / f"known_lab_{size.days}_{size.seed}"
    first = END - timedelta(days=size.days - 1)
    truth, done = folder / "truth", folder / "done"
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            folder.mkdir(exist_ok=True)
            config = LabConfig(seed=size.seed, days=size.days, end=END, clock=CLOCK, truth=truth)
            for lab in serve(folder, config, first, END):
                lab.home.ingest(first, END)
                lab.home.flakehouse("snapshot")
                lab.home.flakehouse("build")
                assert changes(lab.lab.requests) == []
            done.touch()
    return KnownLab(Home(folder / "home", folder / "connections.toml"), size.days, size.seed, END, truth)


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(SMALL, id="small"),
        *(pytest.param(size, id=f"seed{size.seed}", marks=pytest.mark.proof) for size in FULL),
    ],
)
def known_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> KnownLab:
    return read_lab(request.param, tmp_path_factory)


@pytest.fixture(
    scope="session",
    params=[pytest.param((SMALL,), id="small"), pytest.param(FULL, id="seeds", marks=pytest.mark.proof)],
)
def known_labs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[KnownLab]:
    """All labs of a size, for what one of them has too few tests to tell."""
    return [read_lab(size, tmp_path_factory) for size in request.param]


@pytest.fixture(scope="module", autouse=True)
def every_lab_is_only_read() -> Iterator[None]:
    """Holds every lab that a proof starts to its own log: nothing was ever changed in it."""
    logs: list[RequestLog] = []
    begin = RequestLog.__init__

    def noted(log: RequestLog, *arguments: Any) -> None:
        logs.append(log)
        begin(log, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RequestLog, "__init__", noted)
        yield
    assert [change for log in logs for change in changes(log)] == []


# --- the figures of a full run -----------------------------------------------------------------------------

_figures: dict[str, list[str]] = {}


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Lines that say what this proof measured; a full run writes them to docs/proofs.md."""
    return _figures.setdefault(request.node.originalname + "|" + request.node.name, [])


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What was proven in full takes its place on the page; what other runs proved stays, with their commits."""
    if session.config.getoption("markexpr") != "proof" or exitstatus != 0:
        return
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    where = (
        f"Commit {commit}, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}."
    )
    page = REPOSITORY / "docs" / "proofs.md"
    head, *held = page.read_text().split("\n## ")
    sections = {title: body.strip() for title, _, body in (section.partition("\n") for section in held)}
    measured: dict[str, list[str]] = {}
    for name, lines in _figures.items():
        title = name.split("|")[0].removeprefix("test_").replace("_", " ")
        measured.setdefault(title, []).extend(lines)
    for title, lines in measured.items():
        sections[title] = "\n".join([where, "", *(f"- {line}" for line in lines)])
    parts = [f"## {title}\n\n{body}\n" for title, body in sorted(sections.items())]
    page.write_text("\n".join([head.strip() + "\n", *parts]))
