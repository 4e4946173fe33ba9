"""What is past its age goes from Dagster's history; what its pages, alerts and readers need of it stays."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sql

from pipelines.orchestration import history, instance


@pytest.fixture
def storage(tmp_path: Path) -> dg.DagsterInstance:
    return instance.of(tmp_path)


def statements(work: Callable[[], object]) -> int:
    """How often a database is asked."""
    asked = []
    sql.event.listen(sql.Engine, "before_cursor_execute", note := lambda *_: asked.append(True))
    try:
        work()
    finally:
        sql.event.remove(sql.Engine, "before_cursor_execute", note)
    return len(asked)


def test_old_runs_are_forgotten_but_for_the_newest_good_one_of_each_thing_and_what_a_person_asked_for(
    storage: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_RUNS", 3)

    def ran(status: str, name: str = "nothing", **tags: str) -> str:
        @dg.job(name=name)
        def nothing() -> None: ...

        return storage.create_run_for_job(nothing, status=dg.DagsterRunStatus[status], tags=tags).run_id

    by_hand = ran("SUCCESS")
    old = [ran("SUCCESS", cadence="day 1"), ran("FAILURE", cadence="day 1"), ran("SUCCESS", "tidy")]
    kept = [ran("SUCCESS", cadence="day 1"), ran("SUCCESS", cadence="day 2"), ran("SUCCESS", "tidy")]
    failed_since = [ran("FAILURE", cadence="day 2"), ran("CANCELED", "tidy")]
    under_way = ran("STARTED", cadence="day 2")
    now = datetime.now(UTC)
    assert history.forget_runs(storage, now - timedelta(minutes=5), "cadence", ["tidy"]) == 0
    assert history.forget_runs(storage, now + timedelta(minutes=5), "cadence", ["tidy"]) == 3
    assert history.forget_runs(storage, now + timedelta(minutes=5), "cadence", ["tidy"]) == 2
    assert {run.run_id for run in storage.get_runs()} == {by_hand, *kept, under_way}
    assert not {*old, *failed_since} & {run.run_id for run in storage.get_runs()}


def test_however_many_runs_stay_it_is_asked_once_which_may_go(storage: dg.DagsterInstance) -> None:
    @dg.job
    def nothing() -> None: ...

    def asked(runs: int) -> int:
        for number in range(runs):
            storage.create_run_for_job(
                nothing, status=dg.DagsterRunStatus.SUCCESS, tags={"cadence": f"day {number} of {runs}"}
            )
        later = datetime.now(UTC) + timedelta(minutes=5)
        return statements(lambda: history.forget_runs(storage, later, "cadence", []))

    assert asked(1) == asked(20) > 0
    assert len(storage.get_runs()) == 21


def test_of_a_run_that_is_forgotten_no_file_and_no_event_is_left(
    storage: dg.DagsterInstance, tmp_path: Path
) -> None:
    @dg.asset
    def chatty() -> None:
        print("hello")  # noqa: T201

    runs = [dg.materialize([chatty], instance=storage, tags={"cadence": "day 1"}).run_id for _ in range(2)]

    def files(run_id: str) -> list[Path]:
        return [path for path in tmp_path.rglob("*") if run_id in str(path)]

    assert all(map(files, runs))
    history.forget_runs(storage, datetime.now(UTC) + timedelta(minutes=5), "cadence", [])
    assert files(runs[0]) == []
    assert files(runs[1])
    kept = storage.fetch_materializations(dg.AssetKey("chatty"), limit=9).records
    assert [record.run_id for record in kept] == runs[1:]


def test_old_evaluations_of_checks_go_but_for_the_newest_of_each_check_and_outcome(
    storage: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = iter([True, False, True, True])

    @dg.asset(
        check_specs=[dg.AssetCheckSpec("sound", asset="table"), dg.AssetCheckSpec("rare", asset="table")]
    )
    def table() -> dg.MaterializeResult:
        result = dg.AssetCheckResult(check_name="sound", passed=next(passes))
        return dg.MaterializeResult(
            check_results=[result, dg.AssetCheckResult(check_name="rare", passed=True)]
        )

    runs = [dg.materialize([table], instance=storage).run_id for _ in range(4)]
    sound, rare = (dg.AssetCheckKey(dg.AssetKey("table"), name) for name in ("sound", "rare"))

    def known(check: dg.AssetCheckKey) -> list[str]:
        return [each.run_id for each in storage.event_log_storage.get_asset_check_execution_history(check, 9)]

    now = datetime.now(UTC)
    newest = storage.event_log_storage.get_latest_asset_check_execution_by_key([sound, rare])
    assert history.forget_checks(storage, now - timedelta(minutes=5)) == 0
    assert (len(known(sound)), len(known(rare))) == (4, 4)
    monkeypatch.setattr(history, "MOST_CHECKS", 4)
    assert history.forget_checks(storage, now + timedelta(minutes=5)) == 4
    assert history.forget_checks(storage, now + timedelta(minutes=5)) == 1
    assert history.forget_checks(storage, now + timedelta(minutes=5)) == 0
    assert known(sound) == [runs[3], runs[1]]
    assert known(rare) == [runs[3]]
    assert storage.event_log_storage.get_latest_asset_check_execution_by_key([sound, rare]) == newest


def test_log_files_of_commands_go_once_they_are_old(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for name, days in (("build-1.log", 31), ("build-2.log", 29), ("mine.txt", 31)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ((now - timedelta(days=days)).timestamp(),) * 2)
    assert history.forget_logs(tmp_path, now - timedelta(days=30)) == 1
    assert {file.name for file in tmp_path.iterdir()} == {"build-2.log", "mine.txt"}
    assert history.forget_logs(tmp_path / "none", now) == 0
