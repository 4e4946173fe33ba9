"""The warehouse's assets: models up to the failure messages, families of them, models up to the tests' days, segments
of those, the other models, publication."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from pipelines.defs.warehouse.project import WarehouseProject
from pipelines.defs.warehouse.resource import Warehouse
from pipelines.defs.warehouse.translator import FAILURE_FAMILIES, Translator
from pipelines.lib import failure_families as families
from pipelines.settings import Settings

UP_TO_MESSAGES = "+fct_failure_message_days"
UP_TO_DAYS = "+fct_test_days +dim_connections"
POOL = "warehouse"


@dg.asset(
    key=FAILURE_FAMILIES,
    deps=[["core", "fct_failure_message_days"]],
    group_name="core",
    kinds={"python"},
    pool=POOL,
)
def failure_families(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """One row per `failure_id`: the family of similar messages that it belongs to."""
    table = families.failure_families(warehouse.query(context, families.TEMPLATES_QUERY))
    return dg.MaterializeResult(metadata=warehouse.write_derived(context, "failure_families", table))


@dg.definitions
def warehouse() -> dg.Definitions:
    """Read from dbt's manifest, which is made here where it is missing or stale."""
    project = WarehouseProject(Settings())
    models = {
        "manifest": project.manifest(),
        "project": project.dbt_project,
        "dagster_dbt_translator": Translator(),
        "pool": POOL,
    }

    @dbt_assets(name="models_up_to_failure_messages", select=UP_TO_MESSAGES, **models)
    def up_to_messages(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[Any]:
        warehouse.begin(context)
        yield from warehouse.build(context)

    @dbt_assets(name="models_up_to_test_days", select=UP_TO_DAYS, exclude=UP_TO_MESSAGES, **models)
    def up_to_days(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[Any]:
        yield from warehouse.build(context)

    @dbt_assets(name="models_after_test_segments", exclude=f"{UP_TO_MESSAGES} {UP_TO_DAYS}", **models)
    def after_segments(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[Any]:
        yield from warehouse.build(context)

    parts = (up_to_messages, up_to_days, after_segments)
    public = [key for part in parts for key in part.keys if key.path[0] != "staging"]

    @dg.asset(
        key=["warehouse", "published"],
        deps=public,
        group_name="warehouse",
        kinds={"duckdb", "parquet"},
        pool=POOL,
    )
    def published(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        """What analysts open: the database and the Parquet files of one tested build."""
        return dg.MaterializeResult(metadata=warehouse.publish(context))

    build = dg.define_asset_job(
        "build_warehouse",
        selection=dg.AssetSelection.groups("staging", "core", "marts", "warehouse"),
        description="Builds and tests every model on the lake as it is, and publishes the result.",
    )
    return dg.Definitions(
        assets=[*parts, failure_families, published],
        jobs=[build],
        resources={"warehouse": Warehouse()},
    )
