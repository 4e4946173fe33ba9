# ruff: noqa: S608  every name in these statements is a contract's own
"""How what a source just said and what the lake holds become one partition file, in DuckDB, in bounded memory.

A record of the new answer wins by key, unless the held one was fetched, or found missing, later. A held record that the answer should
have listed and did not gets `_missing_since`; which ones it should have listed is the answer's scope. Who wins is
decided on keys and digests alone; whole rows then stream from their runs into the new file.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.lib import runs
from pipelines.lib.contract import REJECTED_SCHEMA, Table
from pipelines.lib.flags import NOT_AVAILABLE
from pipelines.lib.runs import PARENT_SEQUENCE, SEQUENCE

_IS_UNAVAILABLE = f"list_contains(_issues, '{NOT_AVAILABLE}')"
_MEMORY = "128MB"
_REJECTED_ROWS = 2_048
_ORDER_ROWS = 4_096  # whole rows that are in memory at once while a file is written


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge does to a partition."""

    rows: int
    added: int
    changed: int
    missing: int
    is_rewritten: bool


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A database in memory that spills to `folder`."""
    database = duckdb.connect(":memory:")
    database.execute("set timezone = 'UTC'")
    database.execute(f"set memory_limit = '{_MEMORY}'")
    database.execute("set threads = 2")
    database.execute("set enable_progress_bar = false")
    database.execute(
        "set disabled_optimizers = 'join_filter_pushdown'"
    )  # it cannot be pushed into Arrow tables
    database.execute(f"set temp_directory = {_text(folder / 'spill')}")
    return database


class Merge:
    """The merge of one answer into one partition; the tables of an answer share the database."""

    def __init__(self, database: duckdb.DuckDBPyConnection, asked_at: datetime) -> None:
        self._database = database
        self._asked_at = asked_at
        self._files: dict[str, list[Path]] = {}
        self._refusals: dict[str, str] = {}
        self._asked_as_a_whole: set[str] = set()

    def take(self, table: Table, files: Sequence[Path], held: Path | None, schema: Path) -> None:
        """Looks at what came, in runs, and at what is held: keys, times and digests, and where each row lies."""
        name = table.name
        self._files[name] = [*files, *([held] if held else [])]
        narrow = list(dict.fromkeys([*table.key, *_also(table), "_fetched_at"]))
        digest, digested = ("0", []) if held is None else (_digest(table), _digested(table))
        wanted = {*narrow, *digested, "_issues", SEQUENCE, PARENT_SEQUENCE}
        columns = pa.schema([field for field in runs.schema_of(table) if field.name in wanted])
        self._database.register("runs", runs.places(files, columns))
        self._do(f"""create or replace table {name}_came as
                     select {_names(narrow)}, {SEQUENCE}, {PARENT_SEQUENCE}, {_IS_UNAVAILABLE} as is_unavailable,
                            {digest} as digest, row, run
                     from runs""")
        # The zero-row file brings the columns that an old file lacks.
        both = _list([schema] if held is None else [schema, held])
        missing = (
            "_missing_since" if table.kind == "window" else "cast(null as timestamptz) as _missing_since"
        )
        self._do(f"""create or replace table {name}_was as
                     select {_names(narrow)}, {missing}, {_digest(table)} as digest, file_row_number as row
                     from read_parquet({both}, union_by_name = true, hive_partitioning = false,
                                       file_row_number = true)""")

    def choose(self, table: Table, parent: Table | None) -> int:
        """Finds the rows of the answer that stay (`<table>_won`); how many others had the same key."""
        name, keys = table.name, _names(table.key)
        of_parent = f"semi join {parent.name}_won p on p.{SEQUENCE} = f.{PARENT_SEQUENCE}" if parent else ""
        newest_answer = ""
        if table.asked_by_parent:
            owner = _name(table.parent)
            newest_answer = f"""
                semi join (
                    select {owner} as owner,
                           coalesce(max(_fetched_at) filter (not is_unavailable), max(_fetched_at)) as latest
                    from {name}_came group by 1
                ) newest on newest.owner = f.{owner} and newest.latest = f._fetched_at
                anti join (
                    select {owner} as owner, max(_fetched_at) as latest from {name}_was group by 1
                ) later on later.owner = f.{owner} and later.latest > f._fetched_at"""
        newest = f"{_name(table.newest_by)} desc nulls last, " if table.newest_by else ""
        self._do(f"""
            create or replace table {name}_first as
            select * from (select f.* from {name}_came f {of_parent} {newest_answer})
            qualify row_number() over (
                partition by {keys} order by {newest}_fetched_at desc, {SEQUENCE} desc) = 1""")
        self._do(f"""
            create or replace table {name}_won as select f.* from {name}_first f
            anti join {name}_was h on {_same(table, "f", "h")}
              and greatest(h._fetched_at, h._missing_since) > f._fetched_at""")
        received, kept = self._row(
            f"select (select count(*) from {name}_came), (select count(*) from {name}_first)"
        )
        return received - kept

    def set_scope(
        self, table: Table, *, complete: bool, answered: set[str] | None, parent: Table | None
    ) -> None:
        """Which held rows the answer should have listed: those of these parents, or all; and since when."""
        if parent is not None:
            query = (
                f"select distinct {_name(parent.key[0])} as parent, $asked as since from {parent.name}_won"
            )
        elif table.asked_by_parent:
            query = f"""select {_name(table.parent)} as parent, max(_fetched_at) as since from {table.name}_came
                        where not is_unavailable group by 1"""
        elif answered is not None:
            self._database.register("answered", pa.table({"parent": pa.array(sorted(answered), pa.string())}))
            query = "select parent, $asked as since from answered"
        else:
            self._asked_as_a_whole.add(table.name)
            query = f"select $asked as since where {complete}"
        parameters = {"asked": self._asked_at} if "$asked" in query else {}
        self._database.execute(f"create or replace table {table.name}_scope as {query}", parameters)

    def compare(self, table: Table, held: Path | None) -> Merged:
        """Counts what the merge would change; records that were listed but refused are not missing."""
        name = table.name
        keys = [f"h.{_name(key)}" for key in table.key]
        key_text = f"cast(to_json([{', '.join(f'cast({key} as varchar)' for key in keys)}]) as varchar)"
        self._do(f"""
            create or replace table {name}_unlisted as
            select {", ".join(keys)}, h.row, s.since,
                   h._missing_since is null and coalesce(h._fetched_at < s.since, false)
                   and {key_text} not in (select _key from {name}_refused where _key is not null)
                   as is_newly_missing
            from {name}_was h
            anti join {name}_won w on {_same(table, "h", "w")}
            left join {name}_scope s on {self._in_scope(table, table.parent)}""")
        added, changed, missing, unlisted, won = self._row(f"""
            with pairs as (
                select h._fetched_at is null as is_new,
                       h._missing_since is not null or w.digest <> h.digest as is_changed
                from {name}_won w left join {name}_was h on {_same(table, "w", "h")}
            )
            select count(*) filter (is_new), count(*) filter (not is_new and is_changed),
                   (select count(*) from {name}_unlisted where is_newly_missing),
                   (select count(*) from {name}_unlisted), count(*)
            from pairs""")
        has_old_columns = held is not None and pq.read_schema(held).names != table.schema.names
        is_rewritten = bool(added or changed or missing or has_old_columns)
        return Merged(unlisted + won, added, changed, missing, is_rewritten)

    def write(self, table: Table, target: Path) -> None:
        """Writes the merged rows in the order of their key; another thread may merge the next table meanwhile."""
        name, files = table.name, self._files[table.name]
        order = ", ".join(f"{_name(key)} nulls first" for key in table.key)
        batches = (
            self._database.cursor()
            .execute(f"""
            select run, row, since from (
                select {_names(table.key)}, run, row, cast(null as timestamptz) as since from {name}_won
                union all
                select {_names(table.key)}, {len(files) - 1} as run, row,
                       case when is_newly_missing then since end as since
                from {name}_unlisted
            ) order by {order}""")
            .to_arrow_reader(_ORDER_ROWS)
        )
        runs.write_merged(files, table.schema, batches, target)

    def take_refused(self, table: Table, files: Sequence[Path]) -> None:
        """Looks at what could not be keyed or typed, each once: its place, a digest, and where it lies."""
        name = table.name
        self._refusals[name] = _rejects(files)
        same = "_parent, _place, digest" + (", _fetched_at" if table.kind == "snapshot" else "")
        # In two steps: a window would hold the records themselves.
        self._do(f"""
            create or replace table {name}_refusals as
            select _parent, _place, _key, _fetched_at, hash(_raw) as digest, filename, file_row_number
            from {_rejects(files)}""")
        self._do(f"""
            create or replace table {name}_refused as
            select * from {name}_refusals
            qualify row_number() over (
                partition by {same} order by _fetched_at desc, filename, file_row_number) = 1""")

    def write_rejected(self, table: Table, held: Path | None, target: Path) -> int:
        """Writes the refused of what was asked, and held ones of what was not; the number of rows."""
        name, columns = table.name, ", ".join(REJECTED_SCHEMA.names)
        listed = f"select {columns} from {self._refusals[name]} semi join {name}_refused using (filename, file_row_number)"
        if held:
            self._do(f"""
                create or replace table {name}_refused_before as
                select _parent, _place, _fetched_at, hash(_raw) as digest, file_row_number from {_rejects([held])}""")
            self._do(f"""
                create or replace table {name}_still_refused as
                select h.file_row_number from {name}_refused_before h
                anti join {name}_scope s on {self._in_scope(table, "_parent")} and h._fetched_at < s.since
                anti join {name}_refused f on f.digest = h.digest and f._place is not distinct from h._place""")
            listed += f"""
                union all
                select {columns} from {_rejects([held])} semi join {name}_still_refused using (file_row_number)"""
        rejects = self._database.execute(listed)
        rows = 0
        with ExitStack() as stack:
            for batch in rejects.to_arrow_reader(_REJECTED_ROWS):
                if not batch.num_rows:
                    continue
                if not rows:
                    writer = stack.enter_context(
                        pq.ParquetWriter(target, REJECTED_SCHEMA, compression="zstd")
                    )
                writer.write_batch(batch.cast(REJECTED_SCHEMA))
                rows += batch.num_rows
        return rows

    def _in_scope(self, table: Table, column: str | None) -> str:
        return "true" if table.name in self._asked_as_a_whole else f"s.parent = h.{_name(column)}"

    def _do(self, statement: str) -> None:
        self._database.execute(statement)

    def _row(self, query: str) -> tuple[int, ...]:
        row = self._database.execute(query).fetchone()
        if row is None:
            raise LookupError("a count returned no row")
        return row


def _also(table: Table) -> list[str]:
    return [column for column in (table.newest_by, table.parent) if column]


def _digest(table: Table) -> str:
    """What makes a row other than the held one. The record's columns follow from `_raw`; that there was nothing is
    news each time.
    """
    return f"hash({_names(_digested(table))}, case when {_IS_UNAVAILABLE} then _fetched_at end)"


def _digested(table: Table) -> list[str]:
    return ["_raw", "_issues", *(field.name for field in table.place_fields if field.name not in table.key)]


def _same(table: Table, left: str, right: str) -> str:
    return " and ".join(f"{left}.{_name(k)} is not distinct from {right}.{_name(k)}" for k in table.key)


def _name(column: str | None) -> str:
    return f'"{column}"'


def _names(columns: Sequence[str], alias: str = "") -> str:
    return ", ".join(f"{alias}.{_name(column)}" if alias else _name(column) for column in columns)


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _list(paths: Sequence[Path | None]) -> str:
    return "[" + ", ".join(_text(path) for path in paths if path is not None) + "]"


def _rejects(files: Sequence[Path | None]) -> str:
    return f"read_parquet({_list(files)}, hive_partitioning = false, filename = true, file_row_number = true)"
