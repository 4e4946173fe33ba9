"""Each contender runs in a fresh process, in turns, so that a busy minute of the machine meets all of them."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

_PEAK_SECONDS = 0.02  # between looks at how much memory is used


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of one contender took. Imports are not counted."""

    count: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Contender:
    """A function `module.name(url, folder, asked)`, which returns how many it landed."""

    label: str
    module: str
    name: str


def run(contender: Contender, url: str, folder: Path, asked: Any) -> Run:
    """One run in a new folder, which is removed."""
    folder.mkdir(parents=True)
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(contender, url, folder, asked, theirs))
    process.start()
    theirs.close()
    try:
        peak = 0
        while not ours.poll(_PEAK_SECONDS):
            peak = max(peak, _peak_bytes(process.pid))
        return replace(ours.recv(), peak_bytes=peak)
    except EOFError:
        raise RuntimeError(f"{contender.label} failed") from None
    finally:
        process.join()
        shutil.rmtree(folder)


def in_turns(
    contenders: Sequence[Contender], url: str, folder: Path, asked: Any, rounds: int
) -> dict[str, list[Run]]:
    """Every contender once a round."""
    runs: dict[str, list[Run]] = {contender.label: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            runs[contender.label].append(run(contender, url, folder / f"run-{number}", asked))
    return runs


def rate(runs: Sequence[Run]) -> float:
    """Per second, the median."""
    return median(one.count / one.seconds for one in runs)


def ratio(ours: Sequence[Run], theirs: Sequence[Run]) -> float:
    """How many times as fast as theirs ours is: the median of the rounds."""
    pairs = zip(ours, theirs, strict=True)
    return median((a.count / a.seconds) / (b.count / b.seconds) for a, b in pairs)


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """A table on the terminal, and the machine below it."""
    table = Table(title=title, title_justify="left")
    for place, name in enumerate(header):
        table.add_column(name, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table)
    for note in (*notes, machine()):
        console.print(note, highlight=False, soft_wrap=True)


def distinct(folder: Path, column: str) -> int:
    """How many different values of a column lie in the Parquet files below a folder."""
    return len(pc.unique(pq.read_table(folder, columns=[column], partitioning=None)[column]))


def machine() -> str:
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load {load:.1f}"
    )


def compared(runs: Mapping[str, Sequence[Run]], ours: str) -> list[list[str]]:
    """A row per contender: rate, its spread, CPU, memory, and how we compare."""
    rows = []
    for label, of_one in runs.items():
        rates = sorted(one.count / one.seconds for one in of_one)
        rows.append(
            [
                label,
                f"{rate(of_one):,.0f}/s",
                f"{rates[0]:,.0f} to {rates[-1]:,.0f}",
                f"{median(one.cpu_seconds for one in of_one):.1f} s",
                f"{median(one.peak_bytes for one in of_one) / (1 << 20):,.0f} MB",
                "" if label == ours else f"{ratio(runs[ours], of_one):.2f} x",
            ]
        )
    return rows


HEADER = ("", "rate (median)", "spread", "CPU", "peak memory", "flakehouse is")


def _run(contender: Contender, url: str, folder: Path, asked: Any, results: Connection) -> None:
    work = getattr(importlib.import_module(contender.module), contender.name)
    importlib.import_module("pandas")  # pyarrow does so with its first array
    started, cpu = time.perf_counter(), _cpu_seconds()
    count = work(url, folder, asked)
    results.send(Run(count, time.perf_counter() - started, _cpu_seconds() - cpu, 0))


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _peak_bytes(process: int) -> int:
    """Of a process and of those that it started and that live, each since it began.

    `ru_maxrss` would still know whoever started it.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
        own = int(status.split("VmHWM:")[1].split()[0]) << 10
        started = [file.read_text() for file in Path(f"/proc/{process}/task").glob("*/children")]
    except (OSError, IndexError):  # it has just ended
        return 0
    return own + sum(_peak_bytes(int(child)) for children in started for child in children.split())
