"""Decorators that turn a function into the asset of one request and the tables that land from it.

What is equal for every raw table is said here once: key, group, partitions, checks.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import dagster as dg

from pipelines.lib.contract import Table
from pipelines.orchestration import partitions
from pipelines.orchestration.lake import check_specs


def window_tables(contract: ModuleType, table: Table, deps: tuple[Table, ...] = ()) -> Callable[..., Any]:
    """An asset per table that one request lands, by UTC day and connection: any of them can be asked again."""
    return _tables(contract, table, deps, partitions.days_and_connections(contract.KIND))


def snapshot_tables(contract: ModuleType, table: Table) -> Callable[..., Any]:
    """An asset per table of one observation, by connection: its past cannot be asked for."""
    return _tables(contract, table, (), partitions.connections(contract.KIND))


def window(context: dg.AssetExecutionContext) -> tuple[datetime, datetime]:
    """The partition's UTC day, half-open."""
    day = context.partition_key.keys_by_dimension["day"]
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return start, start + timedelta(days=1)


def _tables(
    contract: ModuleType, table: Table, deps: tuple[Table, ...], partitions_def: dg.PartitionsDefinition
) -> Callable[..., Any]:
    return dg.multi_asset(
        name=f"{contract.SOURCE}__{table.name}",
        specs=[
            dg.AssetSpec(
                [landed.source, landed.name],
                description=landed.description,
                deps=[[dep.source, dep.name] for dep in deps],
                kinds={"api", "parquet"},
            )
            for landed in (table, *table.children)
        ],
        group_name=contract.SOURCE,
        partitions_def=partitions_def,
        check_specs=check_specs(table),
    )
