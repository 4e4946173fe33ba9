"""Which of the runs that wait go next, by Dagster's own queue and the home's settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from pipelines.orchestration import instance, partitions

DAYS, ROUNDS = partitions.days_and_connections("perfecto"), partitions.connections("perfecto")
LOCATION = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("flakehouse"), "__repository__")


class Queue:
    """Nothing runs: what would be launched is under way from then on."""

    def __init__(self, storage: dg.DagsterInstance) -> None:
        self.storage = storage
        self.daemon = QueuedRunCoordinatorDaemon(interval_seconds=5)

    def ask(self, name: str, priority: int, tags: Mapping[str, str], status: str = "QUEUED") -> None:
        @dg.job(name=name)
        def nothing() -> None: ...

        self.storage.create_run_for_job(
            nothing,
            status=dg.DagsterRunStatus[status],
            tags={**tags, "dagster/priority": str(priority)},
            remote_job_origin=RemoteJobOrigin(LOCATION, name),
        )

    def ask_for_days(self, *names: str) -> None:
        for day in (1, 2):
            for name in names:
                key = partitions.key(date(2026, 3, day), name)
                self.ask("day", day, DAYS.get_tags_for_partition_key(key))

    def launched(self) -> list[tuple[str, str]]:
        config = self.storage.get_concurrency_config()
        runs = self.daemon._get_runs_to_dequeue(self.storage, config, fixed_iteration_time=None)
        for run in runs:
            begun = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
            self.storage.report_dagster_event(begun, run.run_id)
        return [(run.job_name, run.tags["dagster/partition"]) for run in runs]


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(instance.of(tmp_path))


def test_whatever_else_is_under_way_a_round_finds_a_place(queue: Queue) -> None:
    names = [f"cloud_{number}" for number in range(5)]
    queue.ask_for_days(*names)
    assert queue.launched() == [("day", f"{name}|2026-03-02") for name in names[:3]]
    assert queue.launched() == []
    for name in ("build", "report", "check_lateness"):  # housekeeping waits for a build, and a build for it
        queue.ask(name, 10, {}, status="STARTED")
    for name in names:
        queue.ask("round", 20, ROUNDS.get_tags_for_partition_key(name))
    assert queue.launched() == [("round", names[0])]


def test_one_day_of_a_connection_is_read_at_a_time(queue: Queue) -> None:
    queue.ask_for_days("acme")
    assert queue.launched() == [("day", "acme|2026-03-02")]
    assert queue.launched() == []
