"""One dbt build of the fixture lake for all tests of this folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.lib.failure_families import TEMPLATES_QUERY

from .fixture_lake import build_lake, write_families, write_segments

DBT_PROJECT = Path(__file__).parents[2] / "dbt"


class Build:
    """A lake, the warehouse that dbt built from it, and dbt's manifest."""

    def __init__(self, folder: Path) -> None:
        self.lake = folder / "lake"
        self.derived = folder / "derived"
        self.target = folder / "target"
        self.database = folder / "flakehouse.duckdb"

    def dbt(self, *arguments: str, **variables: str) -> None:
        """Runs dbt; fails with its output."""
        values = {"lake": str(self.lake), "derived": str(self.derived), **variables}
        command = [
            *(str(Path(sys.executable).with_name("dbt")), "--no-use-colors", *arguments),
            *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
            *("--target-path", str(self.target), "--log-path", str(self.target / "logs")),
            *("--vars", json.dumps(values)),
        ]
        environment = os.environ | {"FLAKEHOUSE_BUILD_DB": str(self.database)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"dbt {arguments[0]} failed\n{done.stdout[-8000:]}\n{done.stderr[-2000:]}")

    def manifest(self) -> dict[str, Any]:
        return json.loads((self.target / "manifest.json").read_text())


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    built = Build(tmp_path_factory.mktemp("warehouse"))
    build_lake(built.lake)
    built.dbt("build", "--select", "+fct_failure_message_days", "--indirect-selection", "buildable")
    with duckdb.connect(str(built.database), read_only=True) as half_built:
        templates = half_built.sql(TEMPLATES_QUERY)
        write_families(built.derived, templates.to_arrow_table())
    days = ("--select", "+fct_test_days", "+dim_connections", "--exclude", "+fct_failure_message_days")
    built.dbt("build", *days, "--indirect-selection", "buildable")
    with duckdb.connect(str(built.database), read_only=True) as half_built:
        write_segments(built.derived, lambda sql: half_built.sql(sql).to_arrow_table())
    built.dbt("build")
    return built


@pytest.fixture(scope="session")
def warehouse(build: Build) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(build.database), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


@pytest.fixture(scope="session")
def rows(warehouse: duckdb.DuckDBPyConnection) -> Callable[..., list[tuple[Any, ...]]]:
    """Answers a query with its rows."""

    def query(sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return warehouse.execute(sql, parameters).fetchall()

    return query
