"""Answers of a reporting export, made once from the simulated lab's world and kept as bytes on the disk.

Records lie newest first, joined by commas: a page of any window is one slice. Two oddities are left out, as
`pyarrow.json` cannot read a field of two types: job numbers in quotes, and starts of fourteen digits, which have no day.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from simlab.api.perfecto_records import encode_test
from simlab.api.perfecto_steps import encode_steps
from simlab.world.model import TestRun
from simlab.world.perfecto import RUNS_PER_FARM_DAY, PerfectoCloud

DAY = date(2026, 3, 2)
PAGE_SIZE = 500
_CONNECTION = "acme"
_LEFT_OUT = {"job_number_text", "fourteen_digit_start"}
_FARMS = 18  # of one generated world: ten thousand runs a day
_LATER = int(
    datetime(2026, 3, 9, tzinfo=UTC).timestamp() * 1000
)  # when all that happened on the day is settled
_RUNS_OF_ONE = 3  # whose steps make one test's commands: about thirty


def window() -> tuple[datetime, datetime]:
    """The day that is asked for, half open."""
    start = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    return start, start + timedelta(days=1)


def write(folder: Path, executions: int, tests_with_commands: int = 0) -> None:
    """Makes the pages in a process of its own: what it takes in memory must not be counted with what is measured."""
    maker = get_context("spawn").Process(target=_write, args=(folder, executions, tests_with_commands))
    maker.start()
    maker.join()
    if maker.exitcode:
        raise RuntimeError("the pages could not be made")


class Pages:
    """The answers of the export."""

    def __init__(self, folder: Path) -> None:
        index = np.load(folder / "index.npz")
        self._starts = index["starts"]  # falling
        self._ends = index["ends"]  # of each record, its comma included
        self._records = _mapped(folder / "executions.json")
        self._commands = _mapped(folder / "commands.json")
        ends = index["command_ends"].tolist()
        self._steps = dict(zip(index["ids"].tolist(), zip([0, *ends], ends, strict=False), strict=True))

    @cached_property
    def count(self) -> int:
        return len(self._starts)

    @property
    def ids(self) -> list[str]:
        """Tests whose commands can be asked for."""
        return list(self._steps)

    def executions(self, start: int, end: int, page: int) -> bytes:
        """A page of the tests that started in [start, end]; `truncated` is true on every full one, as with the vendor."""
        first = int(np.searchsorted(-self._starts, -end)) + (page - 1) * PAGE_SIZE
        stop = min(int(np.searchsorted(-self._starts, -start, side="right")), first + PAGE_SIZE)
        begin = int(self._ends[first - 1]) if first else 0
        records = self._records[begin : int(self._ends[stop - 1]) - 1] if stop > first else b""
        truncated = b"true" if stop - first == PAGE_SIZE else b"false"
        return b'{"resources":[%b],"metadata":{"processingStatus":"PROCESSING_COMPLETE","truncated":%b}}' % (
            records,
            truncated,
        )

    def commands(self, test: str) -> bytes:
        """The steps of one test."""
        begin, end = self._steps[test]
        return (
            b'{"resources":%b,"metadata":{"processingStatus":"PROCESSING_COMPLETE"}}'
            % self._commands[begin:end]
        )


def _write(folder: Path, executions: int, tests_with_commands: int) -> None:
    folder.mkdir(parents=True)
    starts, spans, ids, command_ends = [], [], [], []
    unsorted = folder / "unsorted.json"
    at = commands_at = 0
    with unsorted.open("wb") as records, (folder / "commands.json").open("wb") as commands:
        for cloud, runs in _worlds(executions):
            for run in runs:
                record = encode_test(run, _CONNECTION, _LATER) + b","
                records.write(record)
                spans.append((at, at + len(record)))
                starts.append(run.started_at)
                at += len(record)
            of_commands = runs[: (tests_with_commands - len(ids)) * _RUNS_OF_ONE]
            for several in zip(*[iter(of_commands)] * _RUNS_OF_ONE, strict=False):
                steps = [step for run in several for step in cloud.steps(run)]
                commands_at += commands.write(encode_steps(several[0], steps, _CONNECTION, _LATER, True))
                ids.append(several[0].id)
                command_ends.append(commands_at)
    order = np.argsort(-np.array(starts), kind="stable")
    source = _mapped(unsorted)
    with (folder / "executions.json").open("wb") as records:
        lengths = [records.write(source[slice(*spans[row])]) for row in order.tolist()]
    unsorted.unlink()
    np.savez(
        folder / "index.npz",
        starts=np.array(starts)[order],
        ends=np.cumsum(lengths),
        ids=np.array(ids, dtype=str),
        command_ends=np.array(command_ends, dtype=np.int64),
    )


def _worlds(executions: int) -> Iterator[tuple[PerfectoCloud, list[TestRun]]]:
    """Runs of one day, so many in all, from one small world after the other: a large one would fill the memory."""
    seed, missing = 0, executions
    while missing:
        seed += 1
        farms = min(_FARMS, 1 + missing // (RUNS_PER_FARM_DAY // 2))
        cloud = PerfectoCloud(seed, _CONNECTION, DAY, 1, density=farms)
        runs = [run for run in cloud.test_runs(DAY) if run.oddity not in _LEFT_OUT][:missing]
        missing -= len(runs)
        yield cloud, runs


def _mapped(file: Path) -> mmap.mmap | bytes:
    if not file.stat().st_size:
        return b""
    with file.open("rb") as opened:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
