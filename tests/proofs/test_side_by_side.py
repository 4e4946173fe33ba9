"""Two ingests at once, and connections that are down beside others that are not."""

from __future__ import annotations

import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from simlab.server import Lab, LabConfig, start
from simlab.world import build_world
from tests.proofs.conftest import Home
from tests.proofs.disturbed import ingesting
from tests.proofs.lakes import Contents, contents, differing, leftovers

END = date(2026, 6, 30)
FIRST = END - timedelta(1)


@dataclass(frozen=True)
class Usual:
    """A run that nothing disturbs."""

    lab: Lab
    home: Home
    after: Contents
    partitions: set[str]
    seconds: float

    def home_with(self, more: str = "") -> Home:
        """The home with an empty lake, and these connections beside the lab's."""
        shutil.rmtree(self.home.path / "raw")
        self.home.connections.write_text(more + self.lab.connections_toml)
        return self.home


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Usual]:
    folder = tmp_path_factory.mktemp("usual")
    home = Home(folder / "home", folder / "connections.toml")
    config = LabConfig(seed=3, days=2, end=END, clock="2026-07-02T00:00:00Zx0")
    with start(config, build_world(3, FIRST, 2, 0.03)) as lab:
        home.connections.write_text(lab.connections_toml)
        began = time.monotonic()
        home.ingest(FIRST, END)
        seconds = time.monotonic() - began
        yield Usual(lab, home, contents(home.path / "raw"), partitions(home), seconds)


def partitions(home: Home) -> set[str]:
    lake = home.path / "raw"
    return {str(file.relative_to(lake)) for file in lake.glob("[!f.]*/*/*/dt=2*/data.parquet")}


def test_two_ingests_of_the_same_days_at_once_both_end_well(usual: Usual, figures: list[str]) -> None:
    home = usual.home_with()
    both = [ingesting(home, FIRST, END) for _ in range(2)]
    codes = [running.wait() for running in both]
    assert codes == [0, 0], (home.path.parent / "printed.txt").read_text()
    found = contents(home.path / "raw")
    assert differing(found, usual.after) == []
    assert leftovers(home.path / "raw") == []
    figures.append(f"two ingests at once: {sum(map(len, found.values())):,} rows, none differs")


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says a word; its backlog is the system's."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


def cloud(name: str, port: int) -> str:
    return f'\n[perfecto.{name}]\napp_url = "http://127.0.0.1:{port}"\ntoken = "none"\n'


def test_connections_that_are_down_or_silent_neither_stop_nor_delay_the_others(
    usual: Usual, figures: list[str]
) -> None:
    with silent_server() as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        home = usual.home_with(cloud("silent", silent) + cloud("dead", closed.getsockname()[1]))
        began = time.monotonic()
        running = ingesting(home, FIRST, END)
        landed = running.wait_until(lambda: usual.partitions <= partitions(home))
        beside = time.monotonic() - began
        running.end(signal.SIGINT)
    assert landed, "the command ended before all was landed"
    found = contents(home.path / "raw")
    assert differing(found, usual.after) == []
    assert beside < 4 * usual.seconds + 30  # waiting for one that is silent takes minutes
    figures.append(
        f"beside a dead connection and a silent one: {sum(map(len, found.values())):,} rows, none differs, "
        f"landed after {beside:.1f} s; {usual.seconds:.1f} s without them"
    )


def test_a_dead_connection_is_named_and_the_rest_is_landed(usual: Usual) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        home = usual.home_with(cloud("dead", closed.getsockname()[1]))
        said = home.flakehouse("ingest", "--start", str(FIRST), "--end", str(END), expect=1)
    assert "perfecto.dead (http://127.0.0.1:" in said
    assert differing(contents(home.path / "raw"), usual.after) == []
