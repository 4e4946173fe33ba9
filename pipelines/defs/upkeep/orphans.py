"""The sensor that ends runs whose process was killed: Dagster's launcher does not look after its processes."""

import dagster as dg

from pipelines.lib.clock import utc_now
from pipelines.orchestration.instance import fail_orphans


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs of this machine whose process is gone, so that what they were to read is asked for again.",
)
def orphans(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    return dg.SkipReason(f"{fail_orphans(context.instance, utc_now())} runs had lost their process")
