"""Segments of the tests' histories: what happens between the tests' days and the models that say how tests are."""

import dagster as dg

from pipelines.defs.warehouse.resource import Warehouse
from pipelines.defs.warehouse.translator import TEST_SEGMENTS
from pipelines.lib import changepoints


@dg.asset(
    key=TEST_SEGMENTS,
    deps=[["core", "fct_test_days"], ["core", "fct_counted_runs"], ["core", "dim_connections"]],
    group_name="core",
    kinds={"python"},
    pool="warehouse",
)
def test_segments(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """One row per test and stretch of its last 90 days between changes of its failure rate."""
    table = changepoints.segments(lambda sql: warehouse.query(context, sql))
    return dg.MaterializeResult(metadata=warehouse.write_derived(context, "test_segments", table))
