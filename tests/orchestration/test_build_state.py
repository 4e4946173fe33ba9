"""Two builds never mix, and nothing is published that was not tested."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pipelines.defs.warehouse import build_state
from pipelines.defs.warehouse.build_state import BuildState
from pipelines.lib import lake_files


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuildState:
    monkeypatch.setattr(build_state, "POLL_SECONDS", 0.01)
    return BuildState(tmp_path)


def test_a_second_build_waits_until_the_first_is_over(state: BuildState) -> None:
    over: set[str] = set()
    state.claim("first", over.__contains__)
    second = threading.Thread(target=state.claim, args=("second", over.__contains__))
    second.start()
    second.join(timeout=0.1)
    assert second.is_alive()
    over.add("first")
    second.join(timeout=5)
    assert not second.is_alive()


def test_a_run_may_claim_again_what_it_holds(state: BuildState) -> None:
    state.claim("first", lambda _: False)
    state.claim("first", lambda _: False, patience_seconds=0)


def test_who_waits_too_long_is_told_for_whom(state: BuildState) -> None:
    state.claim("first", lambda _: False)
    with pytest.raises(TimeoutError, match="run first is still building"):
        state.claim("second", lambda _: False, patience_seconds=0.05)


def test_a_table_is_unproven_from_the_start_of_its_build_until_its_tests_passed(
    state: BuildState, tmp_path: Path
) -> None:
    state.begin(["core.a", "core.b"])
    state.prove(["core.a"])
    assert state.unproven() == ["core.b"]
    assert BuildState(tmp_path).unproven() == ["core.b"]
    state.begin(["core.b"])
    state.prove(["core.b"])
    assert state.unproven() == []


@pytest.mark.parametrize("left", ["", '{"run": "first", "unpro'])
def test_a_state_that_was_lost_stops_no_build_and_nothing_is_published_before_all_was_built(
    state: BuildState, tmp_path: Path, left: str
) -> None:
    (tmp_path / "state.json").write_text(left)
    state.claim("second", lambda _: False, patience_seconds=0)
    state.begin(["core.b"])
    state.prove(["core.b"])
    assert state.unproven() == [build_state.LOST]
    state.begin_all(["core.a", "core.b"])
    state.prove(["core.a", "core.b"])
    assert state.unproven() == []


def test_a_state_is_on_the_disk_before_it_takes_the_place_of_the_old_one(
    state: BuildState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    monkeypatch.setattr(lake_files, "_sync", lambda path: done.append(path.name))
    monkeypatch.setattr(lake_files.os, "replace", lambda *_: done.append("replaced"))
    state.begin(["core.a"])
    assert done == ["state.next", "replaced", tmp_path.name]
