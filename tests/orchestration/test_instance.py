"""The home's Dagster instance: no telemetry, and no run that is `started` for ever."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml

from pipelines.orchestration import instance
from pipelines.orchestration.lake import Lake


@pytest.fixture
def storage(tmp_path: Path) -> dg.DagsterInstance:
    return instance.of(tmp_path)


def run_of(storage: dg.DagsterInstance, process: str, tag: str = instance.PROCESS_TAG) -> str:
    @dg.job
    def nothing() -> None: ...

    run = storage.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED, tags={tag: process})
    return run.run_id


def status(storage: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    return storage.get_run_by_id(run_id).status


def test_settings_are_written_where_absent_and_never_over_a_persons_own(tmp_path: Path) -> None:
    folder = instance.folder(tmp_path)
    assert yaml.safe_load((folder / "dagster.yaml").read_text())["telemetry"] == {"enabled": False}
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false} # mine\n")
    instance.folder(tmp_path)
    assert "# mine" in (folder / "dagster.yaml").read_text()


def test_the_run_of_a_command_that_was_killed_has_failed(storage: dg.DagsterInstance) -> None:
    ours = instance.process_tags()[instance.PROCESS_TAG]
    host, pid, started = ours.split("/")
    gone = run_of(storage, f"{host}/4194304/123")
    reused = run_of(storage, f"{host}/{pid}/{int(started) - 1}")
    alive = run_of(storage, ours)
    left_by_the_daemon = run_of(storage, f"{host}/4194304/123", instance.WORKER_TAG)
    elsewhere = run_of(storage, f"another-host/{os.getpid()}/1")
    instance.fail_orphans(storage, datetime.now(UTC))
    assert status(storage, gone) == dg.DagsterRunStatus.FAILURE
    assert status(storage, left_by_the_daemon) == dg.DagsterRunStatus.FAILURE
    assert status(storage, reused) == dg.DagsterRunStatus.FAILURE
    assert status(storage, alive) == dg.DagsterRunStatus.STARTED
    assert status(storage, elsewhere) == dg.DagsterRunStatus.STARTED


def test_a_run_whose_process_was_killed_before_it_noted_itself_has_failed_after_a_while(
    storage: dg.DagsterInstance,
) -> None:
    @dg.job
    def nothing() -> None: ...

    run = storage.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTING)
    storage.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "nothing"), run.run_id)
    noted = run_of(storage, instance.process_tags()[instance.PROCESS_TAG])
    now = datetime.now(UTC)
    instance.fail_orphans(storage, now + timedelta(minutes=9))
    assert status(storage, run.run_id) == dg.DagsterRunStatus.STARTED
    instance.fail_orphans(storage, now + timedelta(minutes=11))
    assert status(storage, run.run_id) == dg.DagsterRunStatus.FAILURE
    assert status(storage, noted) == dg.DagsterRunStatus.STARTED


def test_a_run_that_reads_or_builds_says_which_process_executes_it(
    storage: dg.DagsterInstance, tmp_path: Path
) -> None:
    @dg.asset
    def table(lake: Lake) -> None: ...

    result = dg.materialize([table], instance=storage, resources={"lake": Lake(root=str(tmp_path))})
    tags = storage.get_run_by_id(result.run_id).tags
    assert tags[instance.WORKER_TAG] == instance.process_tags()[instance.PROCESS_TAG]
    assert not instance.is_over(storage.get_run_by_id(run_of(storage, tags[instance.WORKER_TAG])))
