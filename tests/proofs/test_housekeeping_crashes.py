"""A housekeeping that is killed at any operation, and rounds and readers beside it: no observation is lost or doubled."""

from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize
import os
import random
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from pipelines.lib import housekeeping, lake_files
from pipelines.lib.housekeeping import housekeep
from tests.proofs.crashing import Ended, Kill, Watch
from tests.proofs.lakes import leftovers
from tests.proofs.observations import LOOKS, files, observe, seen

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
LIMITS = {"keep_days": 5, "keep_raw_days": 3}
WITHOUT_RAW = "* exclude (_raw)"
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.proofs.test_housekeeping_crashes"])


def keep_house(lake: Path, journal: Path, kill: Kill | None) -> None:
    watch = Watch(journal, kill)
    watch.every(os, "fsync", "sync")
    watch.every(os, "replace", "rename")
    watch.every(shutil, "rmtree", "clean")
    watch.every(lake_files, "_exchange", "exchange")
    watch.every(lake_files, "withdraw_folder", "withdraw")
    watch.every(pq.ParquetWriter, "write_batch", "write", torn=lambda arguments: arguments[0].where)
    housekeep(lake, [LOOKS], NOW, **LIMITS)


def kept(lake: Path, journal: Path, kill: Kill | None = None) -> Ended:
    """Keeps house in a process of its own."""
    journal.unlink(missing_ok=True)
    process = _processes.Process(target=keep_house, args=(lake, journal, kill))
    process.start()
    process.join(60)
    assert not process.is_alive()
    return Ended(process.exitcode, tuple(journal.read_text().split()))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rounds of six days, rejects among them: one day to be removed, two to lose their records."""
    lake = tmp_path_factory.mktemp("lake")
    for days in (6, 5, 4, 1, 0):
        for number in range(3):
            observe(lake, NOW - timedelta(days=days, minutes=5 * number), refused=number == 1)
    return lake


@pytest.mark.parametrize("times", [16, pytest.param(1000, marks=pytest.mark.proof)], ids=["small", "full"])
def test_killed_at_any_operation_every_observation_is_seen_once_and_the_next_housekeeping_ends_the_work(
    lake: Path, tmp_path: Path, times: int, figures: list[str]
) -> None:
    calm, struck, journal = tmp_path / "calm", tmp_path / "struck", tmp_path / "journal"
    shutil.copytree(lake, calm)
    operations = kept(calm, journal).operations
    assert set(files(calm).values()) == {1, 3}
    removed = (NOW - timedelta(days=6)).date().isoformat()
    chance = random.Random(times)
    killed_at: Counter[str] = Counter()
    for turn in range(times):
        kind = sorted(set(operations))[turn // 2 % len(set(operations))]
        kill = Kill(kind, chance.randint(1, operations.count(kind)), turn % 2 == 0)
        shutil.rmtree(struck, ignore_errors=True)
        shutil.copytree(lake, struck)
        assert kept(struck, journal, kill).exit_code == -9
        killed_at[kind] += 1
        for table in ("looks", "looks__rejected"):
            columns = WITHOUT_RAW if table == "looks" else "error, _fetched_at, dt"
            left = [row for row in seen(struck, columns, table) if row[-1] != removed]
            assert left == [row for row in seen(lake, columns, table) if row[-1] != removed]
            raw = {day for day, record in seen(struck, "dt, _raw", table) if record}
            assert raw >= {day for day, record in seen(calm, "dt, _raw", table) if record}
        assert kept(struck, journal).exit_code == 0
        for table in ("looks", "looks__rejected"):
            assert seen(struck, table=table) == seen(calm, table=table)
            assert files(struck, table) == files(calm, table)
        assert leftovers(struck) == []
    assert set(killed_at) == {"sync", "rename", "clean", "exchange", "withdraw", "write"}
    figures.append(
        f"{times:,} kills of a housekeeping ({', '.join(f'{n} at a {kind}' for kind, n in killed_at.items())}): "
        "no observation lost or seen twice at the instant of the kill, every end equal to an undisturbed one's"
    )


def observe_often(lake: Path, rounds: int, offset: float) -> None:
    for number in range(rounds):
        observe(lake, NOW - timedelta(days=1, seconds=number + offset))
        observe(lake, NOW - timedelta(seconds=number + offset))


def read_often(lake: Path, stop: multiprocessing.synchronize.Event, results: multiprocessing.Queue) -> None:
    """Reads the table without a pause, as somebody who knows of no lock."""
    counts, doubled, told = [], 0, set()
    while not stop.is_set():
        try:
            rows = seen(lake, "id, _fetched_at")
        except duckdb.IOException as error:
            told.add("No such file" in str(error) or "No files found" in str(error))
            continue
        counts.append(len(rows))
        doubled += len(rows) - len(set(rows))
    results.put((counts, doubled, told))


@pytest.mark.parametrize("rounds", [30, pytest.param(500, marks=pytest.mark.proof)], ids=["small", "full"])
def test_beside_rounds_and_readers_nothing_is_lost_and_nothing_is_seen_twice(
    tmp_path: Path, rounds: int, monkeypatch: pytest.MonkeyPatch, figures: list[str]
) -> None:
    monkeypatch.setattr(housekeeping, "MOST_FILES_OF_AN_OPEN_DAY", 2)
    observe(tmp_path, NOW - timedelta(days=1, hours=1))
    stop, results = _processes.Event(), _processes.Queue()
    reader = _processes.Process(target=read_often, args=(tmp_path, stop, results))
    writers = [
        _processes.Process(target=observe_often, args=(tmp_path, rounds, offset)) for offset in (0, 0.5)
    ]
    for process in (reader, *writers):
        process.start()
    times = 0
    while any(writer.is_alive() for writer in writers):
        times += bool(housekeep(tmp_path, [LOOKS], NOW).compacted)
    stop.set()
    counts, doubled, told = results.get(timeout=60)
    for process in (reader, *writers):
        process.join()
    housekeep(tmp_path, [LOOKS], NOW)
    everything = seen(tmp_path, "id, _fetched_at")
    assert len(everything) == len(set(everything)) == 3 * (4 * rounds + 1)
    assert counts == sorted(counts)
    assert counts
    assert doubled == 0
    assert told <= {True}
    assert times
    figures.append(
        f"{4 * rounds} rounds of two processes beside {times} housekeepings and {len(counts)} readings: "
        "every observation there at the end, and no reader ever saw one twice, or fewer than before"
    )
