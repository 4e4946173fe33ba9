"""Killed at any instant, or two at once: the lake holds the old or the new, and the next run mends the rest."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from pipelines.defs.sources.perfecto_reporting.contract import COMMANDS
from pipelines.defs.sources.perfecto_reporting.due import commands_due
from pipelines.lib import lake_files, landing
from pipelines.lib.answer import Answer
from pipelines.lib.source_errors import SourceUnavailable
from pipelines.settings import PerfectoConnection
from tests.lib.landing_of import DAY, answer_of, commands_answer, land, rows, test

ACME = PerfectoConnection(name="acme", app_url="http://127.0.0.1:1", token="t")
OPERATIONS = ("replace", "fsync", "unlink")
OLD = [test("a", platforms=[{"deviceId": "x"}]), test("b"), {"id": 1}]
NEW = [test("a", status="FAILED", platforms=[{"deviceId": "y"}]), test("c"), {"id": 2}]
TABLES = ("test_executions", "platforms", "test_executions__rejected")


class Killed(BaseException):
    """Not an Exception: nothing may tidy up on its account."""


def contents(lake: Path) -> dict[str, list[dict[str, Any]]]:
    return {table: rows(lake, table) for table in TABLES}


def interrupted_at(number: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every operation on files is counted; the one with this number does not happen, and ends the run."""
    done: list[str] = []

    def counting(name: str) -> Any:
        real = getattr(os, name)

        def operation(*arguments: Any, **named: Any) -> Any:
            if len(done) == number:
                raise Killed(name)
            done.append(name)
            return real(*arguments, **named)

        return operation

    for name in OPERATIONS:
        monkeypatch.setattr(os, name, counting(name))
    return done


def test_a_kill_between_any_two_operations_leaves_old_or_new_and_the_next_run_ends_the_same(
    tmp_path: Path,
) -> None:
    land(tmp_path / "whole", answer_of(OLD))
    old = contents(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        operations = interrupted_at(10_000, patch)
        land(tmp_path / "whole", answer_of(NEW, hour=1))
    new = contents(tmp_path / "whole")
    assert len(operations) >= 6
    for number in range(len(operations)):
        lake = tmp_path / str(number)
        land(lake, answer_of(OLD))
        with pytest.MonkeyPatch.context() as patch:
            interrupted_at(number, patch)
            with pytest.raises(Killed):
                land(lake, answer_of(NEW, hour=1))
        for table, found in contents(lake).items():
            assert found in (old[table], new[table]), (number, table)
        land(lake, answer_of(NEW, hour=1))
        assert contents(lake) == new, number


def _die_while_publishing(lake: Path) -> None:
    real = os.replace

    def replace(source: Any, target: Any) -> None:
        if str(target).endswith("dt=2026-03-02/data.parquet"):
            os.kill(os.getpid(), signal.SIGKILL)
        real(source, target)

    os.replace = replace
    land(lake, answer_of(NEW, hour=1))


def _land_many(lake: Path, names: list[str]) -> None:
    for hour, name in enumerate(names):
        land(lake, answer_of([test(name, platforms=[{"deviceId": name}])], hour=hour, complete=False))


def in_processes(*calls: tuple[Any, ...]) -> list[int | None]:
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=call[0], args=call[1:]) for call in calls]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
    return [process.exitcode for process in started]


def test_what_a_killed_process_left_behind_is_removed_by_the_next(tmp_path: Path) -> None:
    land(tmp_path, answer_of(OLD))
    old = contents(tmp_path)
    assert in_processes((_die_while_publishing, tmp_path)) == [-signal.SIGKILL]
    assert contents(tmp_path) == old
    assert list((tmp_path / ".landing").rglob("*.parquet")) != []
    land(tmp_path, answer_of(NEW, hour=1))
    assert [row["id"] for row in rows(tmp_path, "test_executions")] == ["a", "b", "c"]
    assert list((tmp_path / ".landing").rglob("*.parquet")) == []


def test_two_processes_on_one_partition_both_end_well_and_lose_nothing(tmp_path: Path) -> None:
    names = [f"{n:02d}" for n in range(12)]
    assert in_processes((_land_many, tmp_path, names[::2]), (_land_many, tmp_path, names[1::2])) == [0, 0]
    assert [row["id"] for row in rows(tmp_path, "test_executions")] == names
    assert [row["device_id"] for row in rows(tmp_path, "platforms")] == names


def _commands(error: BaseException, count: int) -> Answer:
    """The commands of `count` tests, and then this."""

    async def listed(answer: Answer):
        steps = [{"commands": [{"name": "open"}, {"name": "close"}]}]
        inner = commands_answer(*[(f"{n}", steps) for n in range(count)], state=f"PASSED/{END}")
        async for page in inner.pages(answer):
            yield page
        answer.complete = False
        raise error

    return Answer(listed, commands_answer().asked_at)


END = 1_772_452_860_000


@pytest.mark.parametrize("error", [SourceUnavailable("gone"), Killed()], ids=["failed", "killed"])
def test_commands_that_came_before_the_end_are_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(landing, "_JOURNAL_SECONDS", 0)
    land(tmp_path, answer_of([test(str(n)) for n in range(5)]))
    assert {due.id for due in commands_due(tmp_path, ACME, DAY)} == {"0", "1", "2", "3", "4"}
    with pytest.raises(type(error)):
        land(tmp_path, _commands(error, 3), COMMANDS)
    due = commands_due(tmp_path, ACME, DAY)
    assert {one.id for one in due} == {"3", "4"}
    steps = [{"commands": [{"name": "open"}, {"name": "close"}]}]
    land(tmp_path, commands_answer(*[(one.id, steps) for one in due], hour=1, state=due[0].state), COMMANDS)
    assert commands_due(tmp_path, ACME, DAY) == []
    assert len(rows(tmp_path, "commands")) == 10
    assert list((tmp_path / ".landing").rglob("*.parquet")) == []


def test_rejects_of_commands_are_kept_before_their_test_counts_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(tmp_path, answer_of([test("a")]))
    (due,) = commands_due(tmp_path, ACME, DAY)
    steps = [{"commands": [{"name": "open"}]}, {"commands": "none"}, {"commands": [{"name": 5}]}]
    for number in itertools.count():
        with monkeypatch.context() as patched, contextlib.suppress(Killed):
            interrupted_at(number, patched)
            land(tmp_path, commands_answer(("a", steps), state=due.state), COMMANDS)
            break
        if not commands_due(tmp_path, ACME, DAY):
            break
    assert number > 0
    land(tmp_path, commands_answer(hour=1), COMMANDS)
    assert len(rows(tmp_path, "commands")) == 1
    assert len(rows(tmp_path, "commands__rejected")) == 2


def test_a_lake_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(lake_files.LakeError) as caught:
        land(tmp_path / "file", answer_of(OLD))
    assert str(tmp_path / "file") in str(caught.value)
    assert "\n" not in str(caught.value)
