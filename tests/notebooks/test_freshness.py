"""How far behind a source is, as the report and the Monday review say it."""

from __future__ import annotations

import duckdb

from pipelines.report.questions import FRESHNESS

HEALTH = """
    create table marts.pipeline_health_daily as
    select 'acme' as connection, 'reporting' as source_name, t.*, 1 as rows, 0 as rejected, 0 as failed_landings
    from (values ('runs', date '2026-03-01', 90 * 3600), ('runs', date '2026-03-02', 3600),
        ('commands', date '2026-03-01', 3600), ('commands', date '2026-03-02', 25 * 3600),
        ('never', date '2026-03-02', null)) as t(table_name, date, lag_seconds)
"""


def test_a_source_is_as_far_behind_as_its_latest_table_is_now() -> None:
    with duckdb.connect(":memory:") as warehouse:
        warehouse.execute("create schema marts")
        warehouse.execute(HEALTH)
        (row,) = FRESHNESS.asked_of(warehouse).rows
    assert row["lag_hours"] == 25
