"""Killed at any operation, run again: the end is that of an undisturbed run, and nothing is asked twice."""

from __future__ import annotations

import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.defs.sources.perfecto_reporting.contract import COMMANDS
from pipelines.lib import landing
from pipelines.lib.lake_files import Partition
from simlab.clock import HOUR
from simlab.server import Lab, LabConfig, start
from simlab.world import build_world
from tests.proofs import crashing
from tests.proofs.crashing import Kill, Work
from tests.proofs.lakes import Contents, contents, differing, leftovers

DAY = date(2026, 6, 30)
OPERATIONS = {"request", "write", "append", "sync", "rename", "commit", "keep", "remove"}
ASKED_COMMANDS = re.compile(r"/test-executions/([^/?]+)/commands$")


@dataclass(frozen=True)
class Case:
    """A lake before a run, and what an undisturbed run makes of it."""

    before: Path
    after: Contents
    operations: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    lab: Lab
    work: Work
    cases: tuple[Case, ...]
    folder: Path


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two cases: an empty lake, and one of eight hours before, when half of the day had not happened."""
    folder = tmp_path_factory.mktemp("crashes")
    config = LabConfig(seed=3, days=1, end=DAY, clock=f"{DAY}T14:00:00Zx0")
    with start(config, build_world(3, DAY, 1, 0.02)) as lab:
        (folder / "empty").mkdir()
        work = Work(lab.connections_toml, folder / "empty", (DAY,), lab.clock.now())
        earlier = replace(work, lake=folder / "earlier")
        assert crashing.run(earlier, folder / "journal").exit_code == 0
        lab.clock.advance(34 * HOUR)
        work = replace(work, now=lab.clock.now())
        cases = tuple(undisturbed(work, before) for before in (work.lake, earlier.lake))
        yield Stage(lab, work, cases, folder)


def undisturbed(work: Work, before: Path) -> Case:
    lake = copied(before, before.with_name(f"{before.name}-undisturbed"))
    ended = crashing.run(replace(work, lake=lake), before.with_name("journal"))
    assert ended.exit_code == 0
    assert leftovers(lake) == []
    return Case(before, contents(lake), ended.operations)


def copied(lake: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return shutil.copytree(lake, target)


def answered(lake: Path) -> set[tuple[str, str]]:
    """Tests whose commands are in the lake, committed or in the journal, for the state that the lake has of them."""
    commands = Partition(lake, COMMANDS.source, COMMANDS.name, "acme", DAY)
    with duckdb.connect(":memory:") as database:
        database.register("asked", landing.so_far(commands, COMMANDS, "test_execution_id", "_test_state"))
        return set(database.execute("select distinct test_execution_id, _test_state from asked").fetchall())


def settled(lab: Lab) -> int:
    """Requests so far, once those that a killed process had sent have all arrived."""
    count = -1
    while count != (now := len(lab.request_log)):
        count = now
        time.sleep(0.05)
    return count


def drawn(case: Case, turn: int, chance: random.Random) -> Kill:
    """Each kind of operation in its turn, one of those that come after the first request."""
    first = case.operations.index("request")
    operation = sorted(OPERATIONS)[turn // 2 % len(OPERATIONS)]
    before = case.operations[:first].count(operation)
    return Kill(
        operation, chance.randint(before + 1, case.operations.count(operation)), chance.random() < 0.5
    )


def asked(lab: Lab, since: int) -> list[str]:
    """Tests whose commands were asked for, from that request on."""
    found = [ASKED_COMMANDS.search(str(request["path"])) for request in lab.requests[since:]]
    return [match[1] for match in found if match]


@pytest.mark.parametrize("times", [24, pytest.param(1000, marks=pytest.mark.proof)], ids=["small", "full"])
def test_killed_at_any_operation_and_run_again_the_lake_ends_the_same(
    stage: Stage, times: int, figures: list[str]
) -> None:
    chance = random.Random(times)
    killed_at: Counter[str] = Counter()
    spared = 0
    for turn in range(times):
        case = stage.cases[turn % len(stage.cases)]
        work = replace(stage.work, lake=stage.folder / "lake")
        commits = case.operations.count("commit")
        while True:
            copied(case.before, work.lake)
            ended = crashing.run(work, stage.folder / "journal", drawn(case, turn, chance))
            if ended.was_killed_between_first_request_and_last_commit(commits):
                break
            spared += 1  # how many operations there are depends on which answers come first
        killed_at[ended.operations[-1]] += 1
        committed, requests = answered(work.lake), settled(stage.lab)
        assert crashing.run(work, stage.folder / "journal").exit_code == 0
        again = asked(stage.lab, requests)
        assert len(again) == len(set(again))
        assert not {test for test, _state in committed & answered(work.lake)} & set(again), "asked twice"
        assert differing(contents(work.lake), case.after) == []
        assert leftovers(work.lake) == []
    assert spared <= times
    assert set(killed_at) == OPERATIONS
    by_operation = ", ".join(f"{count} at a {name}" for name, count in killed_at.most_common())
    figures.append(
        f"{times:,} kills between the first request and the last commit ({by_operation}): every end equal to an "
        f"undisturbed run's, no committed command asked for again, no temporary file left"
    )
