"""Housekeeping as Dagster runs it: the lake of the settings, and never beside a build."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.defs.upkeep import housekeeping as upkeep
from pipelines.defs.upkeep.housekeeping import housekeeping
from pipelines.defs.warehouse import build_state
from pipelines.defs.warehouse.build_state import BuildState
from pipelines.defs.warehouse.folders import Folders
from pipelines.lib import landings
from pipelines.lib.lake_files import LakeError
from pipelines.orchestration.instance import logs
from tests.orchestration.told_landings import day_landed, tell

NOW = datetime.now(UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLAKEHOUSE_HOME", str(tmp_path))
    monkeypatch.delenv("FLAKEHOUSE_LAKE", raising=False)
    monkeypatch.setattr(build_state, "POLL_SECONDS", 0.01)
    for days in (40, 40, 2, 2):
        at = NOW - timedelta(days=days)
        tell(tmp_path / "raw", "acme", day_landed("perfecto_reporting", "commands", at.date(), at))
    return tmp_path


def told(home: Path) -> int:
    return landings.rows(home / "raw", NOW.date() - timedelta(days=99), "select count(*) from landings")[0][0]


def files(home: Path) -> int:
    return len(
        list((home / "raw" / "flakehouse" / "ingest_partitions").glob("connection=acme/dt=*/*.parquet"))
    )


def test_our_own_runs_are_put_together_too_and_what_was_done_is_metadata(
    home: Path, instance: dg.DagsterInstance
) -> None:
    result = dg.materialize([housekeeping], instance=instance)
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert (metadata["folders_compacted"].value, metadata["files_before"].value) == (2, 4)
    assert (files(home), told(home)) == (2, 4)


def test_age_limits_are_those_of_the_settings(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAKEHOUSE_KEEP_DAYS", "31")
    dg.materialize([housekeeping], instance=instance)
    assert (files(home), told(home)) == (1, 2)


def test_runs_are_forgotten_after_as_many_days_as_are_set(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.job(name="check_lateness")
    def check() -> None: ...

    for _ in range(2):
        check.execute_in_process(instance=instance)
    for days, left in ((30, 2), (29, 1)):
        monkeypatch.setenv("FLAKEHOUSE_KEEP_RUNS_DAYS", str(days))
        monkeypatch.setattr(upkeep, "utc_now", lambda: NOW + timedelta(days=29, hours=12))
        result = dg.materialize([housekeeping], instance=instance)
        assert len(instance.get_runs(dg.RunsFilter(job_name="check_lateness"))) == left
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["runs_forgotten"].value == 1


def test_a_build_that_is_under_way_is_waited_for(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.job
    def a_build() -> None: ...

    build = instance.create_run_for_job(a_build, status=dg.DagsterRunStatus.STARTED)
    BuildState(Folders(home).build).claim(build.run_id, lambda _: False)
    looks = []

    def ends_after_a_while(seconds: float) -> None:
        looks.append(files(home))
        if len(looks) == 3:
            instance.report_run_failed(build)

    monkeypatch.setattr(build_state.time, "sleep", ends_after_a_while)
    assert dg.materialize([housekeeping], instance=instance).success
    assert looks == [4, 4, 4]
    assert files(home) == 2


def test_a_day_that_could_not_be_tidied_fails_the_run_with_its_name(
    home: Path, instance: dg.DagsterInstance
) -> None:
    day = (NOW - timedelta(days=2)).date()
    (home / "raw" / "flakehouse" / "ingest_partitions" / "connection=acme" / f"dt={day}" / "mine").touch()
    result = dg.materialize([housekeeping], instance=instance, raise_on_error=False)
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert f"dt={day}: mine is not ours" in failure.user_failure_data.description
    assert (files(home), told(home)) == (3, 4)


def test_a_lake_that_cannot_be_tidied_leaves_no_history_behind(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.job(name="check_lateness")
    def check() -> None: ...

    def refuse(*_: object, **__: object) -> None:
        raise LakeError("raw: no space left")

    for _ in range(2):
        check.execute_in_process(instance=instance)
    monkeypatch.setattr(upkeep, "housekeep", refuse)
    monkeypatch.setattr(upkeep, "utc_now", lambda: NOW + timedelta(days=40))
    result = dg.materialize([housekeeping], instance=instance, raise_on_error=False)
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert "no space left" in str(failure.error)
    assert len(instance.get_runs(dg.RunsFilter(job_name="check_lateness"))) == 1


def test_old_evaluations_of_checks_and_logs_of_commands_go_too(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("sound", asset="table")])
    def table() -> dg.MaterializeResult:
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="sound", passed=True)])

    for _ in range(3):
        dg.materialize([table], instance=instance)
    log = logs(home) / "ingest-1.log"
    log.parent.mkdir()
    log.touch()
    for days, gone in ((29, 0), (31, 1)):
        monkeypatch.setattr(upkeep, "utc_now", lambda days=days: NOW + timedelta(days=days))
        result = dg.materialize([housekeeping], instance=instance)
        (event,) = result.get_asset_materialization_events()
        metadata = event.materialization.metadata
        assert (metadata["checks_forgotten"].value, metadata["command_logs_removed"].value) == (
            2 * gone,
            gone,
        )
