# ruff: noqa: S608  every name in these statements is a contract's own
"""How what a source just said and what the lake holds become one partition file, in DuckDB, in bounded memory.

A record of the new answer wins by key, unless the held one was fetched later. A held record that the answer should
have listed and did not gets `_missing_since`; which ones it should have listed is the answer's scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.lib.contract import REJECTED_SCHEMA, Table

SEQUENCE = "_sequence"  # order of arrival
PARENT_SEQUENCE = "_parent_sequence"  # of the parent record that a child came with
NOT_AVAILABLE = "not_available"  # flag of a row that says: the source has nothing (any more) on this parent
_IS_UNAVAILABLE = f"list_contains(_issues, '{NOT_AVAILABLE}')"


@dataclass(frozen=True, slots=True)
class Merged:
    rows: int
    added: int
    changed: int
    missing: int
    duplicates: int
    is_rewritten: bool


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A database in memory that spills to `folder`."""
    database = duckdb.connect(":memory:")
    database.execute("set timezone = 'UTC'")
    database.execute("set memory_limit = '512MB'")
    database.execute("set threads = 2")
    database.execute("set preserve_insertion_order = false")
    database.execute(f"set temp_directory = {_text(folder / 'spill')}")
    return database


class Merge:
    """The merge of one answer into one partition; tables of one answer share the connection."""

    def __init__(self, database: duckdb.DuckDBPyConnection, asked_at: datetime) -> None:
        self._database = database
        self._asked_at = asked_at

    def add_fresh(self, table: Table, files: Sequence[Path], batches: pa.Table | None) -> None:
        """What came for this table, from spilled files and from memory."""
        parts = []
        if batches is not None:
            self._database.register(f"{table.name}_batches", batches)
            parts.append(f"select * from {table.name}_batches")
        if files:
            parts.append(f"select * from read_parquet({_list(files)})")
        self._database.execute(f"create or replace view {table.name}_fresh as {' union all '.join(parts)}")

    def set_scope(
        self, table: Table, *, complete: bool, answered: set[str] | None, parent: Table | None
    ) -> None:
        """Which held rows the answer should have listed: the relation (parent, since)."""
        scope = f"{table.name}_scope"
        if parent is not None:
            query = f"select distinct p.{_name(parent.key[0])} as parent, $asked as since from {parent.name}_won p"
        elif table.asked_by_parent:
            query = f"""select {_name(table.parent)} as parent, max(_fetched_at) as since from {table.name}_fresh
                        where not {_IS_UNAVAILABLE} group by 1"""
        elif answered is not None:
            self._database.register("answered", pa.table({"parent": pa.array(sorted(answered), pa.string())}))
            query = "select parent, $asked as since from answered"
        else:
            query = f"select null as parent, $asked as since where {complete}"
        parameters = {"asked": self._asked_at} if "$asked" in query else {}
        self._database.execute(f"create or replace temp table {scope} as {query}", parameters)

    def choose(self, table: Table, held: Path | None, schema: Path, parent: Table | None) -> int:
        """Finds the rows of the answer that stay (`<table>_won`); how many others had the same key."""
        name, keys = table.name, ", ".join(map(_name, table.key))
        self._view_held(table, held, schema)
        came_with = f"where {PARENT_SEQUENCE} in (select {SEQUENCE} from {parent.name}_won)" if parent else ""
        by_parent = ""
        if table.asked_by_parent:
            owner = _name(table.parent)
            by_parent = f"""
                semi join (
                    select {owner} as owner, coalesce(max(_fetched_at) filter (not {_IS_UNAVAILABLE}),
                                                      max(_fetched_at)) as latest
                    from {name}_fresh group by 1
                ) newest on newest.owner = f.{owner} and newest.latest = f._fetched_at
                anti join (
                    select {owner} as owner, max(_fetched_at) as latest from {name}_held group by 1
                ) later on later.owner = f.{owner} and later.latest > f._fetched_at"""
        newest = f"{_name(table.newest_by)} desc nulls last, " if table.newest_by else ""
        self._database.execute(f"""
            create or replace temp table {name}_first as
            select {SEQUENCE}, {keys}, _fetched_at
            from (select f.* from (select {SEQUENCE}, {keys}, _fetched_at{self._also(table)}
                                   from {name}_fresh {came_with}) f {by_parent})
            qualify row_number() over (
                partition by {keys} order by {newest}_fetched_at desc, {SEQUENCE} desc) = 1""")
        later = f"anti join {name}_held h on {_same(table, 'f', 'h')} and h._fetched_at > f._fetched_at"
        self._database.execute(
            f"create or replace temp table {name}_won as select f.* from {name}_first f {later}"
        )
        received, kept = self._row(
            f"select (select count(*) from {name}_fresh), (select count(*) from {name}_first)"
        )
        return received - kept

    def write(self, table: Table, held: Path | None, rejected: set[str], target: Path) -> Merged:
        """Writes the merged rows to `target`, in order of their key, unless the held file says the same."""
        name = table.name
        names = ", ".join(_name(column) for column in table.schema.names)
        self._database.register("listed", pa.table({"key": pa.array(sorted(rejected), pa.string())}))
        keys = [f"h.{_name(key)}" for key in table.key]
        key_text = f"cast(to_json([{', '.join(f'cast({key} as varchar)' for key in keys)}]) as varchar)"
        self._database.execute(f"""
            create or replace temp table {name}_unlisted as
            select {", ".join(keys)}, s.since,
                   h._missing_since is null and h._fetched_at < s.since
                   and {key_text} not in (select key from listed) as is_newly_missing
            from {name}_held h
            anti join {name}_won w on {_same(table, "h", "w")}
            left join {name}_scope s on {self._in_scope(table)}""")
        added, changed, missing, unlisted, won = self._counts(table)
        is_rewritten = bool(added or changed or missing) or (
            held is not None and self._is_other_schema(table, held)
        )
        if is_rewritten:
            fresh = (
                f"select {names} from {name}_fresh where {SEQUENCE} in (select {SEQUENCE} from {name}_won)"
            )
            kept = f"""
                select h.* replace (case when u.is_newly_missing then u.since else h._missing_since end as _missing_since)
                from {name}_held h join {name}_unlisted u on {_same(table, "h", "u")}"""
            order = ", ".join(f"{_name(key)} nulls first" for key in table.key)
            self._copy(f"select {names} from ({fresh} union all by name {kept}) order by {order}", target)
        return Merged(unlisted + won, added, changed, missing, 0, is_rewritten)

    def write_fresh(self, table: Table, target: Path) -> int:
        """Writes the answer alone, in order of its key; the number of rows."""
        names = ", ".join(_name(column) for column in table.schema.names)
        order = ", ".join(f"{_name(key)} nulls first" for key in table.key)
        self._copy(
            f"""select {names} from {table.name}_fresh
                where {SEQUENCE} in (select {SEQUENCE} from {table.name}_won) order by {order}""",
            target,
        )
        (rows,) = self._row(f"select count(*) from {table.name}_won")
        return rows

    def write_rejected(
        self, table: Table, files: Sequence[Path], batches: pa.Table | None, held: Path | None, target: Path
    ) -> int:
        """Rejects of what was asked, and held ones of what was not; the number of rows written."""
        self.add_fresh_rejects(table, files, batches)
        before = f"""
            union
            select {", ".join(REJECTED_SCHEMA.names)} from read_parquet({_list([held])}) h
            anti join {table.name}_scope s on {self._in_scope(table, "_parent")} and h._fetched_at < s.since
            anti join {table.name}_refused f
              on f._raw is not distinct from h._raw and f._place is not distinct from h._place"""
        query = f"""select * from (select {", ".join(REJECTED_SCHEMA.names)} from {table.name}_refused
                    {before if held else ""}) order by _parent, _key, _raw, error"""
        self._database.execute(f"create or replace temp table {table.name}_rejects as {query}")
        (rows,) = self._row(f"select count(*) from {table.name}_rejects")
        if rows:
            self._copy(f"select * from {table.name}_rejects order by _parent, _key, _raw, error", target)
        return rows

    def add_fresh_rejects(self, table: Table, files: Sequence[Path], batches: pa.Table | None) -> None:
        self._database.register(
            f"{table.name}_refusals", batches if batches is not None else REJECTED_SCHEMA.empty_table()
        )
        also = f" union all select * from read_parquet({_list(files)})" if files else ""
        self._database.execute(f"""
            create or replace temp table {table.name}_refused as
            select distinct on (_parent, _place, _raw) * from (select * from {table.name}_refusals{also})
            order by _fetched_at desc""")

    def rejected_keys(self, table: Table) -> set[str]:
        """Keys of records that were listed but could not be typed: they are not missing."""
        rows = self._database.execute(
            f"select distinct _key from {table.name}_refused where _key is not null"
        )
        return {key for (key,) in rows.fetchall()}

    def _view_held(self, table: Table, held: Path | None, schema: Path) -> None:
        """What the lake holds, with today's columns: the zero-row file brings those an old file lacks."""
        names = ", ".join(_name(column) for column in table.schema.names)
        files = _list([schema] if held is None else [schema, held])
        self._database.execute(f"""
            create or replace view {table.name}_held as
            select {names} from read_parquet({files}, union_by_name = true, hive_partitioning = false)""")

    def _in_scope(self, table: Table, column: str | None = None) -> str:
        return f"s.parent = h.{_name(column or table.parent)}" if table.parent else "true"

    def _counts(self, table: Table) -> tuple[int, ...]:
        name = table.name
        compared = [
            "_raw",
            "_issues",
            *(field.name for field in table.place_fields if field.name not in table.key),
        ]
        differs = " or ".join(f"f.{_name(c)} is distinct from h.{_name(c)}" for c in compared)
        return self._row(f"""
            with pairs as (
                select h._fetched_at is null as is_new, h._missing_since is not null or {differs} as is_changed
                from {name}_fresh f
                semi join {name}_won w on w.{SEQUENCE} = f.{SEQUENCE}
                left join {name}_held h on {_same(table, "f", "h")}
            ), gone as (
                select count(*) as rows, count(*) filter (where is_newly_missing) as newly from {name}_unlisted
            )
            select count(*) filter (where is_new), count(*) filter (where not is_new and is_changed),
                   (select newly from gone), (select rows from gone), count(*)
            from pairs""")

    def _is_other_schema(self, table: Table, held: Path) -> bool:
        return pq.read_schema(held).names != table.schema.names

    def _also(self, table: Table) -> str:
        also = [table.newest_by] if table.newest_by else []
        if table.asked_by_parent and table.parent not in table.key:
            also.append(table.parent)
        return "".join(f", {_name(column)}" for column in also)

    def _copy(self, query: str, target: Path) -> None:
        self._database.execute(f"copy ({query}) to {_text(target)} (format parquet, compression zstd)")

    def _row(self, query: str) -> tuple[int, ...]:
        row = self._database.execute(query).fetchone()
        if row is None:
            raise LookupError("a count returned no row")
        return row


def _same(table: Table, left: str, right: str) -> str:
    return " and ".join(f"{left}.{_name(k)} is not distinct from {right}.{_name(k)}" for k in table.key)


def _name(column: str | None) -> str:
    return f'"{column}"'


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _list(paths: Sequence[Path | None]) -> str:
    return "[" + ", ".join(_text(path) for path in paths if path is not None) + "]"
