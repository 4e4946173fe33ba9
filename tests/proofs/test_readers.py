"""Processes query what is published, without a pause, through builds that succeed, fail and are killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import time
from collections import Counter
from datetime import timedelta
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import duckdb
import pytest

from tests.proofs.conftest import Home, KnownLab, Size
from tests.proofs.disturbed import running

READERS = 8
_processes = multiprocessing.get_context("spawn")

# Four tables of one build: a view of two builds would differ from every single one.
LOOK = """
    select
        (select count(*) from {core}fct_test_runs{end}),
        (select sum(test_runs) from {marts}device_utilization_daily{end}),
        (select sum(runs) from {marts}test_flakiness_daily{end}),
        (select hash(list((test_id, runs, failures, state) order by test_id)) from {marts}test_flakiness{end})
"""


def database(home: Path) -> tuple:
    with duckdb.connect(home / "warehouse" / "flakehouse.duckdb", read_only=True) as connection:
        return connection.sql(LOOK.format(core="core.", marts="marts.", end="")).fetchone()


def files(home: Path) -> tuple:
    build = (home / "marts").resolve()
    with duckdb.connect() as connection:
        return connection.sql(
            LOOK.format(core=f"'{build}/core/", marts=f"'{build}/marts/", end=".parquet'")
        ).fetchone()


def read_until_told(home: Path, stop: Event, results: Queue) -> None:
    os.nice(15)  # who never pauses would leave little to the builds
    seen: Counter[tuple] = Counter()
    problems: Counter[str] = Counter()
    while not stop.is_set():
        for look in (database, files):
            try:
                seen[look(home)] += 1
            except Exception as error:  # noqa: BLE001  any error at all is what this proof is about
                problems[repr(error)] += 1
    results.put((seen, problems))


@pytest.mark.parametrize(
    ("known_lab", "builds"),
    [
        pytest.param(Size(days=12, seed=1), 3, id="small"),
        pytest.param(Size(days=12, seed=1), 20, id="full", marks=pytest.mark.proof),
    ],
    indirect=["known_lab"],
)
def test_readers_never_wait_and_see_one_whole_build_at_a_time(
    known_lab: KnownLab, builds: int, tmp_path: Path, figures: list[str]
) -> None:
    """Every third build meets a file that is none, and every third one is killed."""
    home = Home(tmp_path / "home", known_lab.home.connections)
    shutil.copytree(known_lab.home.path / "raw", home.path / "raw")
    bad = home.path / "raw/perfecto_reporting/commands/connection=acme/dt=2026-06-30/bad.parquet"
    home.flakehouse("build", "--as-of", str(known_lab.last_day - timedelta(days=11)))
    published = [database(home.path)]
    stop, results = _processes.Event(), _processes.Queue()
    readers = [
        _processes.Process(target=read_until_told, args=(home.path, stop, results), daemon=True)
        for _ in range(READERS)
    ]
    for reader in readers:
        reader.start()
    chance = random.Random(builds)
    ends: Counter[str] = Counter()
    for number in range(builds):
        build = ("build", "--as-of", str(known_lab.last_day - timedelta(days=number % 11)))
        if number % 3 == 1:
            bad.write_bytes(b"no Parquet")
            home.flakehouse(*build, expect=1)
            bad.unlink()
            ends["failed"] += 1
        elif number % 3 == 2:
            under_way = running(home, *build)
            time.sleep(chance.uniform(2, 12))
            ends["killed" if under_way.end(signal.SIGKILL) else "published"] += 1
        else:
            home.flakehouse(*build)
            ends["published"] += 1
        if database(home.path) != published[-1]:
            published.append(database(home.path))
        else:
            assert number % 3
    stop.set()
    answers = [results.get(timeout=60) for _ in readers]
    for reader in readers:
        reader.join(60)
    seen = sum((of_one for of_one, _ in answers), Counter())
    assert sum((problems for _, problems in answers), Counter()) == Counter()
    assert set(seen) == set(published)
    figures.append(
        f"{READERS} readers, {builds} builds ({', '.join(f'{n} {how}' for how, n in ends.items())}): "
        f"{seen.total():,} looks at the database and at the files, no error, each at one of {len(published)} whole builds"
    )
