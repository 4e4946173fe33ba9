"""The lake as a Dagster resource: lands answers, and says what came as metadata, as checks, and in the lake itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import dagster as dg

from pipelines.lib import lake_files, landing, landings
from pipelines.lib.answer import Answer, told_already
from pipelines.lib.clock import utc_now
from pipelines.lib.contract import Table
from pipelines.lib.ingest_partitions import INGEST_PARTITIONS, ONLY_CHANGES, noted
from pipelines.lib.lake_files import Partition
from pipelines.lib.landing import Landed, PartlyLanded
from pipelines.orchestration.instance import note_worker
from pipelines.settings import MOST_REJECTED


class Lake(dg.ConfigurableResource):
    """Two verbs: `merge` for tables that can be asked again, `append` for observations that cannot."""

    root: str
    most_rejected: float = MOST_REJECTED

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        if context.instance:
            note_worker(context.instance, context.run)

    async def merge(
        self, context: dg.AssetExecutionContext, table: Table, answer: Answer
    ) -> list[dg.MaterializeResult]:
        """Lands an answer about the partition's day in a window table and its children."""
        keys = context.partition_key
        if not isinstance(keys, dg.MultiPartitionKey):
            raise TypeError(f"{table.name} is partitioned by day and connection")
        parts = keys.keys_by_dimension
        day = date.fromisoformat(parts["day"])
        connection = parts["connection"]
        try:
            landed = await self._merge_day(context, table, connection, day, answer)
        except PartlyLanded:
            await self._merge_elsewhere(context, table, connection, answer)
            raise
        await self._merge_elsewhere(context, table, connection, answer)
        return self._results(context, table, landed)

    async def _merge_day(
        self, context: dg.AssetExecutionContext, table: Table, connection: str, day: date, answer: Answer
    ) -> dict[str, Landed]:
        merge = landing.merge(self.root, table, connection, day, answer)
        return await noted(self.root, table, connection, answer, merge, day=day, run_id=context.run.run_id)

    async def _merge_elsewhere(
        self, context: dg.AssetExecutionContext, table: Table, connection: str, answer: Answer
    ) -> None:
        """Lands what changed of other days that were read: one that never was will be read whole."""
        days = [day for day in sorted(answer.elsewhere) if not self._holds(table, connection, day)]
        # An empty day has no file, so our own runs say whether it was read.
        read = landings.newest_of_days(self.root, days[0], utc_now()) if days else {}
        unread = set(days) - set(read.get((table.source, table.name, connection), ()))
        for day, pages in sorted(answer.elsewhere.items()):
            if day in unread:
                continue
            changed = told_already(pages, ONLY_CHANGES, answer.asked_at)
            landed = await self._merge_day(context, table, connection, day, changed)
            for each in table.tables:
                if landed[each.name].is_rewritten:
                    partition = dg.MultiPartitionKey({"day": day.isoformat(), "connection": connection})
                    context.log_event(
                        dg.AssetMaterialization(
                            [each.source, each.name],
                            partition=partition,
                            metadata=_metadata(landed[each.name]),
                        )
                    )

    async def append(
        self, context: dg.AssetExecutionContext, table: Table, answer: Answer, *, interval_seconds: int
    ) -> list[dg.MaterializeResult]:
        """Lands one observation of the partition's connection in a snapshot table."""
        connection = context.partition_key
        landed = await noted(
            self.root,
            table,
            connection,
            answer,
            landing.append(self.root, table, connection, answer, interval_seconds),
            interval_seconds=interval_seconds,
            run_id=context.run.run_id,
        )
        return self._results(context, table, landed)

    def prepare(self, tables: Iterable[Table]) -> None:
        """Writes the zero-row files, so that a table without data can be queried."""
        tables = list(tables)
        with lake_files.problems_named(self._path):
            lake_files.write_schemas(self._path, INGEST_PARTITIONS, *tables)

    def _holds(self, table: Table, connection: str, day: date) -> bool:
        return Partition(self._path, table.source, table.name, connection, day).data.exists()

    @property
    def _path(self) -> Path:
        return Path(self.root)

    def _results(
        self, context: dg.AssetExecutionContext, table: Table, landed: dict[str, Landed]
    ) -> list[dg.MaterializeResult]:
        declared = context.selected_asset_check_keys
        return [
            dg.MaterializeResult(
                asset_key=[each.source, each.name],
                metadata=_metadata(landed[each.name]),
                check_results=[
                    check
                    for check in _checks(each, landed[each.name], self.most_rejected)
                    if dg.AssetCheckKey(dg.AssetKey([each.source, each.name]), check.check_name or "")
                    in declared
                ],
            )
            for each in table.tables
        ]


def check_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """The checks that a landing answers for this table and its children."""
    return [
        dg.AssetCheckSpec(name, asset=[each.source, each.name], description=description)
        for each in table.tables
        for name, description in CHECKS.items()
    ]


CHECKS = {
    "declared_fields": "Warns of fields that the source sends and the contract does not name; they are in _raw.",
    "answer_complete": "Warns where the source told only a part; nothing was taken away for what it left out.",
    "records_accepted": "Fails where too many records could not be keyed or typed (FLAKEHOUSE_MOST_REJECTED); see <table>__rejected.",
}


def _checks(table: Table, landed: Landed, most_rejected: float) -> list[dg.AssetCheckResult]:
    key = dg.AssetKey([table.source, table.name])
    seen = landed.received + landed.rejected
    share = landed.rejected / seen if seen else 0.0
    return [
        dg.AssetCheckResult(
            asset_key=key,
            check_name="declared_fields",
            passed=not landed.undeclared,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"fields that no contract names, kept in _raw: {', '.join(sorted(landed.undeclared))}",
            metadata={"undeclared_fields": dict(landed.undeclared)},
        ),
        dg.AssetCheckResult(
            asset_key=key,
            check_name="answer_complete",
            passed=landed.complete,
            severity=dg.AssetCheckSeverity.WARN,
            description=landed.note,
            metadata={"note": landed.note or "none"},
        ),
        dg.AssetCheckResult(
            asset_key=key,
            check_name="records_accepted",
            passed=share <= most_rejected,
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"{landed.rejected:,} of {seen:,} records rejected; why is in {table.name}__rejected",
            metadata={"rejected": landed.rejected, "share": share, "most_rejected": most_rejected},
        ),
    ]


def _metadata(landed: Landed) -> dict[str, dg.RawMetadataValue]:
    counts = {
        name: getattr(landed, name)
        for name in ("received", "added", "changed", "missing", "duplicates", "rejected")
    }
    return {
        "dagster/row_count": landed.rows,
        **counts,
        "flagged": dict(landed.flagged),
        "undeclared_fields": dict(landed.undeclared),
        "is_rewritten": landed.is_rewritten,
        "complete": landed.complete,
        **({"note": landed.note} if landed.note else {}),
        **{name: value for name, value in landed.facts.items() if value is not None},
        "seconds": round(landed.seconds, 3),
        "path": dg.MetadataValue.path(landed.path),
    }
