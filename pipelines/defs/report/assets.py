"""The report as an asset: written once a day, as soon as there is something published to tell of."""

from datetime import UTC

import dagster as dg

from pipelines.defs.upkeep.cadence import TAG
from pipelines.defs.warehouse.folders import Folders
from pipelines.lib.clock import utc_now
from pipelines.orchestration import cadence
from pipelines.orchestration.instance import note_worker
from pipelines.report.writing import report_of, write_report
from pipelines.settings import Settings


@dg.asset(
    key=["report", "test_review"], deps=[["warehouse", "published"]], group_name="report", kinds={"html"}
)
def test_review(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """One HTML file on flaky tests, failures, devices and cost, which opens anywhere without a network."""
    note_worker(context.instance, context.run)
    home = Settings().home
    file = write_report(Folders(home).published, home / "reports", utc_now())
    return dg.MaterializeResult(metadata={"file": dg.MetadataValue.path(file), "bytes": file.stat().st_size})


@dg.sensor(
    asset_selection=dg.AssetSelection.groups("report"),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=300,
    description="Asks for today's report where there is none yet and something is published; again in an hour if it fails.",
)
def report_is_due(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    home, now = Settings().home, utc_now()
    if not Folders(home).published.exists():
        return dg.SkipReason("nothing is published yet")
    if report_of(home / "reports", now).exists():
        return dg.SkipReason("today's report is written")
    attempts = context.instance.get_run_records(dg.RunsFilter(tags={TAG: "report"}), limit=1)
    began_at = attempts[0].create_timestamp.astimezone(UTC) if attempts else None
    if not cadence.may_be_tried_again(now, began_at):
        return dg.SkipReason("it was asked for within the last hour")
    return dg.RunRequest(tags={TAG: "report"})
