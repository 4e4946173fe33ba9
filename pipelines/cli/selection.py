"""What `--select`, `--connection` and `--missing` mean: the runs to be made, or a refusal that names the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import dagster as dg
import duckdb

from pipelines.cli.runs import Run
from pipelines.cli.terminal import CommandError
from pipelines.defs.sources import contracts
from pipelines.lib.contract import Table
from pipelines.lib.lake_files import LakeError
from pipelines.orchestration import asked, cadence, partitions
from pipelines.settings import Connection, Connections

WINDOW, SNAPSHOT = "window", "snapshot"


@dataclass(frozen=True)
class RawTable:
    """A table that is read from a system, as the Dagster graph describes it."""

    name: str  # source.table
    key: dg.AssetKey
    kind: str  # window or snapshot
    connection_kind: str  # perfecto, ...
    lands_with: frozenset[dg.AssetKey]  # every table of the same request, itself included

    @property
    def source(self) -> str:
        return self.key.path[0]


def raw_tables(definitions: dg.Definitions) -> list[RawTable]:
    """Every partitioned table of the graph, by name."""
    found = []
    for asset in definitions.resolve_all_asset_specs():
        cut = asset.partitions_def
        if isinstance(cut, dg.MultiPartitionsDefinition):
            kind, connection_kind = WINDOW, cut.get_partitions_def_for_dimension("connection").name
        elif isinstance(cut, dg.DynamicPartitionsDefinition):
            kind, connection_kind = SNAPSHOT, cut.name
        else:
            continue
        together = frozenset(definitions.resolve_assets_def(asset.key).keys)
        found.append(RawTable(".".join(asset.key.path), asset.key, kind, connection_kind, together))
    return sorted(found, key=lambda table: table.name)


def chosen_tables(tables: Sequence[RawTable], kind: str, selected: Sequence[str]) -> list[RawTable]:
    """Those of the kind that `--select` names, all of them where it names none."""
    sources = {table.source for table in tables}
    for name in selected:
        known = {*sources, *(table.name for table in tables)}
        if name not in known:
            raise CommandError(f"--select {name}: no such source or table; {nearest(name, known)}")
        if not any(table.kind == kind and name in (table.source, table.name) for table in tables):
            command = "snapshot" if kind == WINDOW else "ingest"
            raise CommandError(
                f"--select {name}: nothing of it is a {kind} table; use `flakehouse {command}`"
            )
    return [t for t in tables if t.kind == kind and (not selected or {t.source, t.name} & set(selected))]


def chosen_connections(connections: Connections, names: Sequence[str]) -> list[Connection]:
    known = connections.all
    for name in names:
        if name not in known:
            raise CommandError(f"--connection {name}: no such connection; {nearest(name, known)}")
    return [connection for name, connection in known.items() if not names or name in names]


def lanes(
    tables: Sequence[RawTable], connections: Sequence[Connection], days: Sequence[date] = ()
) -> list[list[Run]]:
    """The runs to make, one list per connection: a run per source and day, or per source where no days are given.

    Newest day first, as that is what people wait for.
    """
    found = []
    for connection in connections:
        by_source: dict[str, set[dg.AssetKey]] = {}
        for table in tables:
            if table.connection_kind == connection.kind:
                by_source.setdefault(table.source, set()).update(table.lands_with)
        newest_first = sorted(days, reverse=True) or [None]
        runs = [
            _run(day, source, connection.name, by_source[source])
            for day in newest_first
            for source in by_source
        ]
        if runs:
            found.append(runs)
    return found


def _run(day: date | None, source: str, connection: str, assets: Collection[dg.AssetKey]) -> Run:
    key = partitions.key(day, connection) if day else connection
    return Run(source, connection, str(day or ""), assets=frozenset(assets), partition_key=key)


def missing(lanes: Sequence[Sequence[Run]], lake: str, now: datetime) -> list[list[Run]]:
    """Of runs over days, those that bring something that the lake lacks. CommandError where it cannot say."""
    first = min(_day(run) for lane in lanes for run in lane)
    try:
        known = asked.of_tables(lake, first, now, only_whole=True)
    except (duckdb.Error, LakeError) as error:
        why = str(error).splitlines()[0]
        raise CommandError(
            f"--missing: what was read cannot be looked up: {why}; leave out --missing"
        ) from None
    found = []
    for lane in lanes:
        asked_for = {
            source: asked.together(known, _tables(run.assets), run.connection)
            for source, run in {run.source: run for run in lane}.items()
        }
        found.append(
            [
                run
                for run in lane
                if cadence.is_missing(_day(run), asked_for[run.source].get(_day(run)), cadence.tick(now))
            ]
        )
    return [lane for lane in found if lane]


def _day(run: Run) -> date:
    return date.fromisoformat(run.day)


def _tables(assets: Collection[dg.AssetKey]) -> list[Table]:
    return [
        table
        for contract in contracts()
        for table in contract.TABLES
        if dg.AssetKey([table.source, table.name]) in assets
    ]


def nearest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}"
