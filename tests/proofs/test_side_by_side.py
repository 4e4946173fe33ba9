"""Two ingests at once, and connections that are down beside others that are not."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from simlab.server import Lab, LabConfig, start
from simlab.world import build_world
from tests.proofs.conftest import Home
from tests.proofs.disturbed import ingesting
from tests.proofs.lakes import contents, differing, leftovers

END = date(2026, 6, 30)
FIRST = END - timedelta(1)


@contextmanager
def small_lab() -> Iterator[Lab]:
    config = LabConfig(seed=3, days=2, end=END, clock="2026-07-02T00:00:00Zx0")
    with start(config, build_world(3, FIRST, 2, 0.1)) as lab:
        yield lab


def home_in(folder: Path, connections: str) -> Home:
    folder.mkdir()
    (folder / "connections.toml").write_text(connections)
    return Home(folder / "home", folder / "connections.toml")


def test_two_ingests_of_the_same_days_at_once_both_end_well(tmp_path: Path, figures: list[str]) -> None:
    with small_lab() as lab:
        alone = home_in(tmp_path / "alone", lab.connections_toml)
        alone.ingest(FIRST, END)
        home = home_in(tmp_path / "both", lab.connections_toml)
        both = [ingesting(home, FIRST, END) for _ in range(2)]
        codes = [running.wait() for running in both]
    assert codes == [0, 0], (home.path.parent / "printed.txt").read_text()
    found = contents(home.path / "raw")
    assert differing(found, contents(alone.path / "raw")) == []
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
    tmp_path: Path, figures: list[str]
) -> None:
    with small_lab() as lab, silent_server() as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        alone = home_in(tmp_path / "alone", lab.connections_toml)
        began = time.monotonic()
        alone.ingest(FIRST, END)
        usual = time.monotonic() - began
        wanted = contents(alone.path / "raw")

        broken = cloud("silent", silent) + cloud("dead", closed.getsockname()[1])
        home = home_in(tmp_path / "beside", broken + lab.connections_toml)
        began = time.monotonic()
        running = ingesting(home, FIRST, END)
        assert running.wait_until(lambda: is_landed(home, alone)), "the command ended before all was landed"
        beside = time.monotonic() - began
        running.end(signal.SIGINT)
        found = contents(home.path / "raw")
    assert differing(found, wanted) == []
    assert beside < 2 * usual + 10
    figures.append(
        f"beside a dead connection and a silent one: {sum(map(len, found.values())):,} rows, none differs, "
        f"landed after {beside:.1f} s; {usual:.1f} s without them"
    )


def is_landed(home: Home, alone: Home) -> bool:
    return partitions(alone) <= partitions(home)


def partitions(home: Home) -> set[str]:
    lake = home.path / "raw"
    return {str(file.relative_to(lake)) for file in lake.glob("[!f.]*/*/*/dt=2*/data.parquet")}


def test_a_dead_connection_is_named_and_the_rest_is_landed(tmp_path: Path) -> None:
    with small_lab() as lab, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        home = home_in(tmp_path / "dead", cloud("dead", closed.getsockname()[1]) + lab.connections_toml)
        said = home.flakehouse("ingest", "--start", str(END), "--end", str(END), expect=1)
    assert "perfecto.dead (http://127.0.0.1:" in said
    assert {row[0] for row in home.lake("perfecto_reporting", "test_executions", "connection")} == {"acme"}
    assert home.lake("enterprise_tester", "script_runs")
