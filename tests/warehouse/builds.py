"""Builds as the pipeline makes them, in this process and without their tests: begun, built in parts, published."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow.parquet as pq
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from pipelines.defs.warehouse import beginning
from pipelines.defs.warehouse.assets import UP_TO_DAYS, UP_TO_MESSAGES
from pipelines.defs.warehouse.beginning import Beginning
from pipelines.defs.warehouse.folders import Folders
from pipelines.defs.warehouse.project import PROJECT
from pipelines.defs.warehouse.publish import publish
from pipelines.lib import changepoints, failure_families


class Home:
    """One home folder over a lake."""

    def __init__(self, folder: Path, lake: Path) -> None:
        self.folders, self.lake = Folders(folder), lake

    def build(self, **how: Any) -> Beginning:
        begun = self.begin(**how)
        self.make()
        publish(self.folders)
        return begun

    def begin(self, **how: Any) -> Beginning:
        return beginning.begin(self.folders, self.lake, rules="as they are", **how)

    def make(self) -> None:
        """Every table of a build that has begun."""
        derived = self.folders.derived
        self._build("--select", *UP_TO_MESSAGES.split())
        self._write(
            "failure_families",
            failure_families.failure_families(self._query(failure_families.TEMPLATES_QUERY)),
        )
        self._build("--select", *UP_TO_DAYS.split(), "--exclude", *UP_TO_MESSAGES.split())
        self._write("test_segments", changepoints.segments(self._query))
        self._build("--exclude", *UP_TO_MESSAGES.split(), *UP_TO_DAYS.split())
        assert derived.exists()

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of every published table, in one order."""
        with duckdb.connect(self.folders.published, read_only=True) as database:
            names = database.sql(
                "select table_schema || '.' || table_name from information_schema.tables"
                " where table_schema in ('core', 'marts') order by all"
            ).fetchall()
            return {name: database.sql(f"from {name} order by all").fetchall() for (name,) in names}

    def test(self) -> None:
        """The data tests, on the tables as they were made."""
        self._dbt("test", "--exclude-resource-type", "unit_test")

    def _build(self, *selection: str) -> None:
        self._dbt("build", "--exclude-resource-type", "unit_test", "test", *selection)

    def _dbt(self, command: str, *arguments: str) -> None:
        os.environ["FLAKEHOUSE_BUILD_DB"] = str(self.folders.build_database)
        variables = json.dumps({"lake": str(self.lake), "derived": str(self.folders.derived)})
        arguments = [
            *(command, "--quiet", *arguments),
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--vars", variables),
            *(
                "--target-path",
                str(self.folders.build / "dbt"),
                "--log-path",
                str(self.folders.build / "dbt"),
            ),
        ]
        done = dbtRunner(manifest=_manifest()).invoke(arguments)
        DuckDBConnectionManager.close_all_connections()  # the next build begins with another file of this name
        problems = [
            f"{node.node.name}: {node.message}"
            for node in done.result or ()
            if node.status not in ("success", "pass")
        ]
        assert done.success, (done.exception, problems)

    def _query(self, sql: str) -> Any:
        with duckdb.connect(self.folders.build_database) as database:
            return database.sql(sql).to_arrow_table()

    def _write(self, name: str, table: Any) -> None:
        folder = self.folders.derived / name
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / "part.parquet")


@cache
def _manifest() -> Any:
    """The project, parsed once."""
    os.environ.setdefault("FLAKEHOUSE_BUILD_DB", "unused.duckdb")
    arguments = ["parse", "--quiet", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    with TemporaryDirectory() as folder:
        done = dbtRunner().invoke([*arguments, "--target-path", folder, "--log-path", folder])
    assert done.success, done.exception
    return done.result
