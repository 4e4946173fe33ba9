# ruff: noqa: S608  every name in these statements is a contract's own
"""Which tests of a day still have to be asked for their commands, as seen from the lake."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb

from pipelines.defs.sources.perfecto_reporting.client import Test
from pipelines.defs.sources.perfecto_reporting.contract import COMMANDS, TEST_EXECUTIONS
from pipelines.lib import landing
from pipelines.lib.lake_files import Partition, locked, problems_named
from pipelines.lib.merging import NOT_AVAILABLE
from pipelines.settings import PerfectoConnection

# A 404 later than this after the test's end is taken for good: the vendor forgets, it does not still prepare.
_FINAL_AFTER = timedelta(days=1)
# The reporting export has no version or change time: a test that is the same in these two is the same test.
_STATE = "concat_ws('/', coalesce(status, ''), coalesce(end_time_number, epoch_ms(end_time))::varchar)"
_ASKED = ("test_execution_id", "_test_state", "_missing_since", "_issues", "_fetched_at")


def commands_due(lake: str | Path, connection: PerfectoConnection, day: date) -> list[Test]:
    """Tests of the day's partition whose commands are not in the lake for their present state, newest first."""
    if connection.commands == "none":
        return []
    root = Path(lake)
    tests = Partition(root, TEST_EXECUTIONS.source, TEST_EXECUTIONS.name, connection.name, day)
    commands = Partition(root, COMMANDS.source, COMMANDS.name, connection.name, day)
    if not tests.data.exists():
        return []
    with problems_named(root), locked(commands.folder), duckdb.connect(":memory:") as database:
        database.execute("set timezone = 'UTC'")
        database.register("asked", landing.so_far(commands, COMMANDS, *_ASKED))
        rows = database.execute(
            f"""
            with tests as (
                select id, {_STATE} as state, start_time, end_time
                from read_parquet($tests, hive_partitioning = false)
                where _missing_since is null {
                "and status in ('FAILED', 'BLOCKED')" if connection.commands == "failed" else ""
            }
            )
            select id, state, end_time from tests where not exists (
                select 1 from asked c
                where c.test_execution_id = tests.id and c._test_state = tests.state and c._missing_since is null
                  and (not list_contains(c._issues, '{NOT_AVAILABLE}')
                       or c._fetched_at > tests.end_time + to_seconds({_FINAL_AFTER.total_seconds()})))
            order by start_time desc nulls last, id
            """,
            {"tests": str(tests.data)},
        )
        return [Test(*row) for row in rows.fetchall()]
