"""The report as an asset: written once a day, as soon as there is something published to tell of."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg

from pipelines.defs.warehouse.folders import Folders
from pipelines.report.writing import report_of, write_report
from pipelines.settings import Settings


@dg.asset(
    key=["report", "test_review"], deps=[["warehouse", "published"]], group_name="report", kinds={"html"}
)
def test_review() -> dg.MaterializeResult:
    """One HTML file on flaky tests, failures, devices and cost, which opens anywhere without a network."""
    home = Settings().home
    file = write_report(Folders(home).published, home / "reports", datetime.now(UTC))
    return dg.MaterializeResult(metadata={"file": dg.MetadataValue.path(file), "bytes": file.stat().st_size})


@dg.sensor(
    asset_selection=dg.AssetSelection.groups("report"),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=300,
    description="Asks for today's report where there is none yet and something is published.",
)
def report_is_due(_context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    home, now = Settings().home, datetime.now(UTC)
    if not Folders(home).published.exists():
        return dg.SkipReason("nothing is published yet")
    if report_of(home / "reports", now).exists():
        return dg.SkipReason("today's report is written")
    return dg.RunRequest(run_key=f"{now:%Y-%m-%d}")
