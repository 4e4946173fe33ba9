"""`flakehouse ingest`, killed at any moment and run again, ends as if nothing had happened."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest

from simlab.server import Lab, LabConfig, start
from simlab.world import build_world
from tests.proofs.conftest import Home
from tests.proofs.disturbed import ingesting
from tests.proofs.lakes import Contents, contents, differing, leftovers
from tests.proofs.test_crashes import answered, asked, settled

DAY = date(2026, 6, 30)


@dataclass(frozen=True)
class Undisturbed:
    lab: Lab
    home: Home
    after: Contents
    commits: int


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    folder = tmp_path_factory.mktemp("command")
    with start(
        LabConfig(seed=3, days=1, end=DAY, clock="2026-07-02T00:00:00Zx0"), build_world(3, DAY, 1, 0.03)
    ) as lab:
        home = Home(folder / "home", folder / "connections.toml")
        home.connections.write_text(lab.connections_toml)
        running = ingesting(home, DAY, DAY)
        assert running.wait_until(lambda: len(lab.request_log) > 0)
        assert running.wait() == 0
        yield Undisturbed(lab, home, contents(home.path / "raw"), committed(home))


def committed(home: Home) -> int:
    """Partition files of the day."""
    return len(list((home.path / "raw").glob(f"[!f.]*/*/*/dt={DAY}/data.parquet")))


@pytest.mark.parametrize("times", [2, pytest.param(50, marks=pytest.mark.proof)], ids=["small", "full"])
def test_the_command_killed_and_run_again_ends_as_undisturbed(
    undisturbed: Undisturbed, times: int, figures: list[str]
) -> None:
    chance = random.Random(times)
    lab, home, spared, moments = undisturbed.lab, undisturbed.home, 0, []
    for _ in range(times):
        while True:
            shutil.rmtree(home.path / "raw", ignore_errors=True)
            before = len(lab.request_log)
            running = ingesting(home, DAY, DAY)
            assert running.wait_until(lambda before=before: len(lab.request_log) > before)
            wanted = chance.randrange(undisturbed.commits)
            if running.wait_until(lambda wanted=wanted: committed(home) >= wanted):
                time.sleep(chance.uniform(0, 0.3))
                running.end(signal.SIGKILL)
                if committed(home) < undisturbed.commits:
                    break
            spared += 1  # it had ended, or all was committed
            assert spared <= 2 * times + 4
        requests = settled(lab)
        moments.append(committed(home))
        held = answered(home.path / "raw")
        home.ingest(DAY, DAY)
        again = asked(lab, requests)
        assert len(again) == len(set(again))
        assert not {test for test, _ in held & answered(home.path / "raw")} & set(again), "asked twice"
        assert differing(contents(home.path / "raw"), undisturbed.after) == []
        assert leftovers(home.path / "raw") == []
    figures.append(
        f"{times} kills of the command after its first request, with {min(moments)} to {max(moments)} of "
        f"{undisturbed.commits} partition files committed: every end equal to an undisturbed run's"
    )
