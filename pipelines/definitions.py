"""Everything under `defs/`, the resources that every source uses, and the sensor that keeps partitions in step."""

from pathlib import Path

import dagster as dg

from pipelines.orchestration.connections import ConfiguredConnections, connections_sensor
from pipelines.orchestration.lake import Lake
from pipelines.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    loaded = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    settings = Settings()
    lake = Lake(root=settings.lake, most_rejected=settings.most_rejected)
    resources = {"lake": lake, "connections": ConfiguredConnections()}
    return dg.Definitions.merge(
        loaded,
        dg.Definitions(resources=resources, sensors=[connections_sensor], executor=dg.in_process_executor),
    )
