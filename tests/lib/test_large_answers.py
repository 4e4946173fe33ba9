"""A large answer is taken by several processes, and nothing but the time it takes tells."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.lib import hands, intake_process, landing
from pipelines.lib.answer import Answer, Page
from pipelines.lib.lake_files import LakeError
from tests.lib.landing_of import answer_of, land, rows, test

TABLES = ("test_executions", "platforms", "test_executions__rejected", "platforms__rejected")
CANARY = "CANARY4711"


def page(number: int) -> list[Any]:
    """Some tests, of which one comes again on each later page, and two records that are refused."""
    again = test("again", name=f"page {number}", platforms=[{"deviceId": f"of-{number}"}])
    tests = [test(f"{number}-{n}", platforms=[{"deviceId": "x"}, {"deviceId": n}]) for n in range(40)]
    return [*tests, again, test(f"{number}-odd", novelty=number), {"id": number}, b"not \xff text"]


PAGES = [page(number) for number in range(12)]


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every answer is large."""
    monkeypatch.setattr(hands, "_LARGE", 0)
    monkeypatch.setattr(hands, "_PROCESSES", 2)
    monkeypatch.setattr(landing, "_RECORDS_TOGETHER", 1)
    yield
    assert helpers_of(os.getpid()) == []


def helpers_of(parent: int) -> list[int]:
    """Processes that take part in landings of this one."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            of_process = int(status.read_text().rpartition(")")[2].split()[1])
            command = status.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if of_process == parent and b"intake_process" in command:
            found.append(int(status.parent.name))
    return found


def is_alive(process: int) -> bool:
    """A dead one has no command line, even before somebody takes notice of its end."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


def leftovers(lake: Path) -> list[Path]:
    return [file for file in (lake / ".landing").rglob("*") if file.is_file()]


def test_it_comes_out_as_if_one_had_taken_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = land(tmp_path / "alone", answer_of(*PAGES))
    monkeypatch.setattr(hands, "_LARGE", 0)
    monkeypatch.setattr(hands, "_PROCESSES", 2)
    monkeypatch.setattr(landing, "_RECORDS_TOGETHER", 1)
    started = []
    real = intake_process.IntakeProcess.__init__
    monkeypatch.setattr(
        intake_process.IntakeProcess, "__init__", lambda *given: (started.append(1), real(*given))[1]
    )
    together = land(tmp_path / "together", answer_of(*PAGES))
    assert len(started) == 2
    for table in TABLES:
        assert rows(tmp_path / "together", table) == rows(tmp_path / "alone", table)
    (again,) = [row for row in rows(tmp_path / "together", "test_executions") if row["id"] == "again"]
    assert again["name"] == f"page {len(PAGES) - 1}", "the last one seen stays, whoever took it"
    for table, outcome in alone.items():
        for name in ("rows", "received", "added", "rejected", "duplicates", "flagged", "undeclared"):
            assert getattr(together[table], name) == getattr(outcome, name), (table, name)
    assert leftovers(tmp_path / "together") == []


def _land_for_ever(lake: Path) -> None:
    hands._LARGE, hands._PROCESSES, landing._RECORDS_TOGETHER = 0, 2, 1

    async def listed(_answer: Answer) -> AsyncGenerator[Page]:
        while True:
            async for each in answer_of(*PAGES).pages(_answer):
                yield each
                await asyncio.sleep(0.001)

    land(lake, Answer(listed, answer_of().asked_at))


def wait_for(what: Any, seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def test_whoever_is_killed_leaves_no_process_behind_and_the_next_landing_mends_the_rest(
    tmp_path: Path,
) -> None:
    land(tmp_path, answer_of(PAGES[0]))
    before = rows(tmp_path, "test_executions")
    process = multiprocessing.get_context("spawn").Process(target=_land_for_ever, args=(tmp_path,))
    process.start()
    helpers = wait_for(lambda: len(found := helpers_of(process.pid)) == 2 and found)
    process.kill()
    process.join()
    wait_for(lambda: not any(map(is_alive, helpers)))
    assert rows(tmp_path, "test_executions") == before
    land(tmp_path, answer_of(*PAGES, hour=1))
    assert len(rows(tmp_path, "test_executions")) == 12 * 41 + 1
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("large")
def test_a_process_that_is_killed_fails_the_landing_and_changes_nothing(tmp_path: Path) -> None:
    land(tmp_path, answer_of(PAGES[0]))
    before = rows(tmp_path, "test_executions")

    async def listed(answer: Answer) -> AsyncGenerator[Page]:
        async for each in answer_of(*PAGES).pages(answer):
            yield each
            for helper in helpers_of(os.getpid()):
                os.kill(helper, signal.SIGKILL)

    with pytest.raises(LakeError, match="took part in a landing was killed"):
        land(tmp_path, Answer(listed, answer_of().asked_at))
    assert rows(tmp_path, "test_executions") == before
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("large")
def test_what_goes_wrong_in_a_process_is_raised_here(tmp_path: Path) -> None:
    async def listed(answer: Answer) -> AsyncGenerator[Page]:
        async for each in answer_of(*PAGES).pages(answer):
            yield each
            for folder in (tmp_path / ".landing" / "work").iterdir():
                folder.rename(tmp_path / "elsewhere")

    with pytest.raises(LakeError, match=r"\.landing/work/.*No such file"):
        land(tmp_path, Answer(listed, answer_of().asked_at))


@pytest.mark.usefixtures("large")
def test_a_process_knows_no_secret_of_whoever_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERFECTO_TOKEN", CANARY)
    seen = []

    async def listed(answer: Answer) -> AsyncGenerator[Page]:
        async for each in answer_of(*PAGES).pages(answer):
            yield each
            for helper in helpers_of(os.getpid()):
                told = Path(f"/proc/{helper}")
                seen.append((told / "environ").read_bytes() + (told / "cmdline").read_bytes())

    land(tmp_path, Answer(listed, answer_of().asked_at))
    assert any(b"intake_process" in each for each in seen)
    assert not any(CANARY.encode() in each for each in seen)
