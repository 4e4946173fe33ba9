"""A build begins with a copy of the last published one, of which it makes the touched days anew; or with nothing.

With nothing where there is no published build, or where other rules made it: then all of history is made anew.
Whatever an earlier build left unfinished is thrown away, so that the last published one is always what counts.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from pipelines.defs.warehouse import inputs, touched
from pipelines.defs.warehouse.folders import Folders

FAILED = ("error", "fail", "runtime error")
"""As dbt says it of a model or a test."""

TESTED_IN_FULL_EVERY = timedelta(days=7)
"""Between, tests look at touched days: they see what a build did, not what befell the other days."""


@dataclass(frozen=True)
class Beginning:
    touched_days: list[date] | None
    """None: all of history."""
    tests_in_full: bool
    copy_seconds: float

    def __str__(self) -> str:
        if self.touched_days is None:
            return "all of history is made anew"
        count = len(self.touched_days)
        return (
            f"{count} {'day' if count == 1 else 'days'} made anew in a copy of the published build"
            f" (copied in {self.copy_seconds:.1f} s), {'every row' if self.tests_in_full else 'their rows'} tested"
        )


def begin(
    folders: Folders, lake: Path, rules: str, *, anew: bool = False, now: datetime | None = None
) -> Beginning:
    """Prepare the build database; `rules` is a hash of everything that makes rows out of the lake."""
    folders.build.mkdir(parents=True, exist_ok=True)
    for left in folders.build.glob(f"{folders.build_database.name}*"):
        if left.is_dir():  # what did not fit into a killed build's memory
            shutil.rmtree(left)
        else:
            left.unlink()
    _forget_invocations(folders)
    partitions = inputs.partitions(lake)
    if anew or _rules_of(folders.published) != rules:
        with duckdb.connect(folders.build_database) as database:
            touched.note_everything(database, lake, partitions)
            _record(database, rules, tests_in_full=True, now=now)
        return Beginning(None, tests_in_full=True, copy_seconds=0)
    began = time.monotonic()
    shutil.copyfile(folders.published, folders.build_database)
    copy_seconds = time.monotonic() - began
    with duckdb.connect(folders.build_database) as database:
        days = touched.note_changes(database, lake, partitions)
        tests_in_full = _is_due_in_full(database, now)
        _record(database, rules, tests_in_full=tests_in_full, now=now)
    return Beginning(days, tests_in_full, copy_seconds)


def begin_on_spark(folders: Folders) -> Beginning:
    """Every build by Spark is of all history. Files of a killed one would be in the way of new tables: none stay."""
    shutil.rmtree(folders.spark, ignore_errors=True)
    _forget_invocations(folders)
    return Beginning(None, tests_in_full=True, copy_seconds=0)


def _forget_invocations(folders: Folders) -> None:
    """dagster-dbt makes a folder of artefacts for each dbt command, and removes none: about 35 MB for each build.

    The newest of a command that failed stays, for whoever looks at its log and its compiled models. So does what lies
    beside the folders: by it dbt parses only what changed.
    """
    if not folders.dbt_target.exists():
        return
    invocations = [entry for entry in folders.dbt_target.iterdir() if entry.is_dir()]
    kept = max(filter(_has_failed, invocations), key=lambda folder: folder.stat().st_mtime, default=None)
    for folder in invocations:
        if folder != kept:
            shutil.rmtree(folder)


def _has_failed(invocation: Path) -> bool:
    """True also of a command that was killed, or could not start."""
    try:
        results = json.loads((invocation / "run_results.json").read_text())["results"]
    except (FileNotFoundError, json.JSONDecodeError):
        return True
    return any(result["status"] in FAILED for result in results)


def is_up_to_date(folders: Folders, lake: Path, rules: str, now: datetime | None = None) -> bool:
    """True where a build would read and test nothing that the published one has not."""
    if _rules_of(folders.published) != rules:
        return False
    partitions = inputs.partitions(lake)
    with duckdb.connect(folders.published, read_only=True) as database:
        return not touched.is_changed(database, partitions) and not _is_due_in_full(database, now)


def _rules_of(published: Path) -> str | None:
    """None without a published build that could be continued."""
    if not published.exists():
        return None
    with duckdb.connect(published, read_only=True) as database:
        if not database.sql("from duckdb_tables() where schema_name = 'build' and table_name = 'this_build'"):
            return None
        (rules,) = database.sql("select rules from build.this_build").fetchone()
        return rules


def _is_due_in_full(database: duckdb.DuckDBPyConnection, now: datetime | None) -> bool:
    (tested_at,) = database.sql("select tested_in_full_at from build.this_build").fetchone()
    return _utc(now) - tested_at >= TESTED_IN_FULL_EVERY


def _record(
    database: duckdb.DuckDBPyConnection, rules: str, *, tests_in_full: bool, now: datetime | None
) -> None:
    """What this build's tests and the next build have to know."""
    database.execute(
        "create table if not exists build.this_build (rules text, tests_in_full boolean, tested_in_full_at timestamp)"
    )
    before = database.sql("select tested_in_full_at from build.this_build").fetchone()
    tested_at = _utc(now) if tests_in_full or not before else before[0]
    database.execute("delete from build.this_build")
    database.execute("insert into build.this_build values (?, ?, ?)", [rules, tests_in_full, tested_at])


def _utc(now: datetime | None) -> datetime:
    """Without zone, as databases keep it."""
    return (now or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
