"""What the bench measures is a warehouse like others: marts many times over, whose keys still are keys."""

from __future__ import annotations

from pathlib import Path

import duckdb

from bench.notebooks import repeat


def test_repeated_marts_are_of_so_many_executions_and_keep_their_keys(
    marts_only: Path, tmp_path: Path
) -> None:
    published, many = (
        marts_only / "warehouse" / "flakehouse.duckdb",
        tmp_path / "warehouse" / "flakehouse.duckdb",
    )
    with duckdb.connect(published, read_only=True) as one:
        ((counted,),) = one.sql("select sum(runs) from marts.test_flakiness_daily").fetchall()
    assert repeat(published, many, 2 * counted + 1) == 3 * counted
    with duckdb.connect(many, read_only=True) as warehouse:
        ((runs,),) = warehouse.sql("select sum(runs) from marts.test_flakiness_daily").fetchall()
        assert runs == 3 * counted
        ((of_days, alone),) = warehouse.sql(
            "select (select sum(runs) from marts.recent_test_runs_daily), (select count(*) from marts.recent_test_runs)"
        ).fetchall()
        assert of_days == alone
        for table, key in {
            "recent_test_runs": "test_run_id",
            "recent_test_runs_daily": "* exclude (runs, outage_runs)",
            "recent_tests": "test_id, team, os",
            "test_flakiness": "test_id",
            "device_health": "connection, device_id",
            "failure_reasons": "failure_id",
            "fleet_concurrency_hourly": "connection, hour, os, model, location",
        }.items():
            assert (
                warehouse.sql(f"select {key} from marts.{table} group by all having count(*) > 1").fetchall()
                == []
            )
