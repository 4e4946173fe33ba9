# ruff: noqa: S608  every name in these statements is a contract's own
"""Which failed executions of a day still have to be asked for their log, as seen from the lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from pipelines.defs.sources.hcl_test_server.client import FailedExecution
from pipelines.defs.sources.hcl_test_server.contract import EXECUTION_LOGS, EXECUTIONS, FAILED
from pipelines.lib.lake_files import Partition, problems_named
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
    asked = [logs.data] if logs.data.exists() else []
    asked += sorted(logs.journal.glob("*.rows.parquet"))
    is_asked = "id in (select execution_id from read_parquet($asked, hive_partitioning = false))"
    with problems_named(root), duckdb.connect(":memory:") as database:
        rows = database.execute(
            f"""
            select id, _project_id from read_parquet($executions, hive_partitioning = false)
            where list_contains($failed, status) and _missing_since is null
            {f"and not {is_asked}" if asked else ""}
            order by completion_date desc nulls last, id
            """,
            {"executions": str(executions.data), "failed": sorted(FAILED)}
            | ({"asked": [str(path) for path in asked]} if asked else {}),
        )
        return [FailedExecution(*row) for row in rows.fetchall()]
