"""When the report is asked for, at a fixed moment: a new day, after a failure, a missed night, a changed clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.defs.report import assets
from pipelines.defs.upkeep.cadence import TAG
from pipelines.orchestration.cadence import may_be_tried_again
from pipelines.report.writing import report_of

NOON = datetime(2026, 3, 11, 12, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class Site:
    """A home with something published, Dagster's storage, and a clock that is set."""

    patch: pytest.MonkeyPatch
    instance: dg.DagsterInstance
    home: Path

    def is_asked_for(self, now: datetime) -> bool:
        self.patch.setattr(assets, "utc_now", lambda: now)
        result = assets.report_is_due(dg.build_sensor_context(instance=self.instance))
        return isinstance(result, dg.RunRequest) and result.tags == {TAG: "report"}

    def write(self, at: datetime) -> None:
        file = report_of(self.home / "reports", at)
        file.parent.mkdir(exist_ok=True)
        file.touch()

    def has_run(self, status: dg.DagsterRunStatus) -> None:
        @dg.job
        def nothing() -> None: ...

        self.instance.create_run_for_job(nothing, status=status, tags={TAG: "report"})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("FLAKEHOUSE_HOME", str(tmp_path))
    published = tmp_path / "warehouse" / "flakehouse.duckdb"
    published.parent.mkdir()
    published.touch()
    with dg.DagsterInstance.ephemeral() as instance:
        yield Site(monkeypatch, instance, tmp_path)


def test_a_new_day_brings_a_report_and_each_day_one(site: Site) -> None:
    assert site.is_asked_for(NOON)
    site.write(NOON)
    assert not site.is_asked_for(NOON + timedelta(hours=11, minutes=39))
    assert site.is_asked_for(NOON + timedelta(hours=11, minutes=40))


def test_after_a_missed_night_there_is_one_of_today_and_none_of_the_days_between(site: Site) -> None:
    site.write(NOON - timedelta(days=3))
    assert site.is_asked_for(NOON)
    site.write(NOON)
    assert not site.is_asked_for(NOON + HOUR)


def test_nothing_is_asked_for_while_nothing_is_published(site: Site) -> None:
    (site.home / "warehouse" / "flakehouse.duckdb").unlink()
    assert not site.is_asked_for(NOON)


@pytest.mark.parametrize("status", ["STARTED", "FAILURE"])
def test_one_that_failed_or_was_lost_in_a_restart_is_asked_for_again_in_an_hour(
    site: Site, status: str
) -> None:
    site.has_run(dg.DagsterRunStatus[status])
    now = datetime.now(UTC)  # Dagster's storage notes when a run came
    assert not site.is_asked_for(now + timedelta(minutes=55))
    assert site.is_asked_for(now + timedelta(minutes=65))


def test_a_clock_that_was_put_back_does_not_keep_it_waiting() -> None:
    assert not may_be_tried_again(NOON, NOON - timedelta(minutes=59))
    assert may_be_tried_again(NOON, NOON - HOUR)
    assert may_be_tried_again(NOON, NOON + timedelta(hours=10))
    assert may_be_tried_again(NOON, None)
