"""The home's Dagster instance: no telemetry, and no run that is `started` for ever."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import pytest
import yaml

from pipelines.orchestration import instance


@pytest.fixture
def storage(tmp_path: Path) -> dg.DagsterInstance:
    return instance.of(tmp_path)


def run_of(storage: dg.DagsterInstance, process: str) -> str:
    @dg.job
    def nothing() -> None: ...

    run = storage.create_run_for_job(
        nothing, status=dg.DagsterRunStatus.STARTED, tags={instance.PROCESS_TAG: process}
    )
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
    elsewhere = run_of(storage, f"another-host/{os.getpid()}/1")
    instance.fail_orphans(storage)
    assert status(storage, gone) == dg.DagsterRunStatus.FAILURE
    assert status(storage, reused) == dg.DagsterRunStatus.FAILURE
    assert status(storage, alive) == dg.DagsterRunStatus.STARTED
    assert status(storage, elsewhere) == dg.DagsterRunStatus.STARTED
