"""Some of the models, built on tables that a proof made itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

DBT_PROJECT = Path(__file__).parents[2] / "dbt"


def build_models(database: Path, *selection: str) -> None:
    """What models and seeds make of the tables in the database and in `derived` beside it; no test of theirs is run."""
    folder = database.parent
    command = [
        *(str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "build", "--select", *selection),
        *("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"),
        *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
        *("--target-path", str(folder / "target"), "--log-path", str(folder / "target")),
        *("--vars", json.dumps({"derived": str(folder / "derived")})),
    ]
    environment = os.environ | {"FLAKEHOUSE_BUILD_DB": str(database)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"dbt build failed\n{done.stdout[-4000:]}")


def query(database: Path, sql: str) -> pa.Table:
    with duckdb.connect(str(database), read_only=True) as built:
        return built.sql(sql).to_arrow_table()
