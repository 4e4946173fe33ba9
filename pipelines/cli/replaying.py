"""`flakehouse replay`: the lake's typed files anew from the records that they carry. No system is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import dagster as dg

from pipelines.cli.days import ranges
from pipelines.cli.selection import nearest
from pipelines.cli.session import Session, session
from pipelines.cli.terminal import CommandError, stage
from pipelines.defs.sources import contracts
from pipelines.lib import replaying
from pipelines.lib.contract import Table
from pipelines.lib.ingest_partitions import INGEST_PARTITIONS
from pipelines.lib.lake_files import Partition
from pipelines.lib.replaying import Replayed
from pipelines.orchestration import partitions

Place = tuple[Partition, Table, Table]


def replay(selected: Sequence[str], names: Sequence[str]) -> None:
    with session("replay") as current:
        places = _chosen_places(Path(current.settings.lake), selected, names)
        if not places:
            raise CommandError(f"nothing to replay: {current.settings.lake} holds nothing that was chosen")
        results = []
        with stage(current.out, f"Replaying {len(places)} partitions", len(places)) as progress:
            for partition, table, owner in places:
                name = f"{table.source}.{table.name} {partition.connection} {partition.day}"
                progress.now(name)
                result = replaying.replay(partition, table, owner)
                if result.is_rewritten:
                    current.storage.report_runless_asset_event(_materialization(partition, table, result))
                progress.step(f"{name}: {_told(result)}")
                results.append((partition, result))
        _summarise(current, results)


def _chosen_places(lake: Path, selected: Sequence[str], names: Sequence[str]) -> list[Place]:
    tables = [(table, owner) for group in _groups() for table, owner in replaying.owners(group)]
    known = {name for table, _ in tables for name in _names(table)}
    for name in selected:
        if name not in known:
            raise CommandError(f"--select {name}: no such source or table; {nearest(name, known)}")
    places = [
        (partition, table, owner)
        for table, owner in tables
        if not selected or _names(table) & set(selected)
        for partition in replaying.partitions_of(lake, table)
    ]
    held = {partition.connection for partition, _, _ in places}
    for name in names:
        if name not in held:
            raise CommandError(f"--connection {name}: the lake holds nothing of it; {nearest(name, held)}")
    return [place for place in places if not names or place[0].connection in names]


def _groups() -> list[tuple[Table, ...]]:
    return [*(contract.TABLES for contract in contracts()), (INGEST_PARTITIONS,)]


def _names(table: Table) -> set[str]:
    return {table.source, f"{table.source}.{table.name}"}


def _materialization(partition: Partition, table: Table, result: Replayed) -> dg.AssetMaterialization:
    """So that what is built from it is known to be out of date."""
    is_window = table.kind == "window"
    return dg.AssetMaterialization(
        asset_key=[table.source, table.name],
        partition=partitions.key(partition.day, partition.connection) if is_window else partition.connection,
        metadata={"dagster/row_count": result.rows, "accepted": result.accepted, "refused": result.refused},
        description="replayed",
    )


def _told(result: Replayed) -> str:
    parts = [f"{result.rows:,} rows {'anew' if result.is_rewritten else 'as they were'}"]
    parts += [f"{result.accepted:,} accepted"] if result.accepted else []
    parts += [f"{result.refused:,} rejected"] if result.refused else []
    parts += [f"{result.without_raw:,} without _raw"] if result.without_raw else []
    return ", ".join(parts)


def _summarise(current: Session, results: Sequence[tuple[Partition, Replayed]]) -> None:
    rewritten = sum(result.is_rewritten for _, result in results)
    accepted = sum(result.accepted for _, result in results)
    refused = sum(result.refused for _, result in results)
    current.out.print(
        f"{rewritten} of {len(results)} partitions rewritten; {accepted:,} rejects accepted, {refused:,} rows rejected"
    )
    without: dict[tuple[str, str], set[date]] = defaultdict(set)
    for partition, result in results:
        if result.without_raw:
            without[f"{partition.source}.{partition.table}", partition.connection].add(partition.day)
    for (table, connection), days in without.items():
        current.out.print(f"without _raw, left as it was: {table} {connection} {ranges(days)}")
    if rewritten:
        current.out.print("Next: `flakehouse build`")
