"""Which failed executions of a day still have to be asked for their log, as seen from the lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from pipelines.defs.sources.hcl_test_server.client import FailedExecution
from pipelines.defs.sources.hcl_test_server.contract import EXECUTION_LOGS, EXECUTIONS, FAILED
from pipelines.lib import landing
from pipelines.lib.lake_files import Partition, locked, problems_named
from pipelines.settings import HclConnection


def logs_due(lake: str | Path, connection: HclConnection, day: date) -> list[FailedExecution]:
    """Failed executions of the day's partition that were never asked for their log, newest first.

    The server keeps logs for a short time only, so one that was not there is not asked for again.
    """
    root = Path(lake)
    executions = Partition(root, EXECUTIONS.source, EXECUTIONS.name, connection.name, day)
    logs = Partition(root, EXECUTION_LOGS.source, EXECUTION_LOGS.name, connection.name, day)
    if not connection.execution_logs or not executions.data.exists():
        return []
    with problems_named(root), locked(logs.folder), duckdb.connect(":memory:") as database:
        database.register("asked", landing.so_far(logs, EXECUTION_LOGS, "execution_id"))
        rows = database.execute(
            """
            select id, _project_id from read_parquet($executions, hive_partitioning = false)
            where list_contains($failed, status) and _missing_since is null
              and id not in (select execution_id from asked)
            order by completion_date desc nulls last, id
            """,
            {"executions": str(executions.data), "failed": sorted(FAILED)},
        )
        return [FailedExecution(*row) for row in rows.fetchall()]
