"""The same models on Spark: every test of them passes, and every table is DuckDB's, row for row.

It takes minutes of Spark's start-up and planning however small the lake is, so `make proof` runs it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import duckdb
import pytest

from pipelines.cli.building import why_not_spark
from pipelines.defs.warehouse.folders import Folders
from pipelines.defs.warehouse.project import DBT, PROJECT
from pipelines.defs.warehouse.publish import PUBLIC_SCHEMAS
from tests.proofs.conftest import Home, KnownLab, Size

SMALL_LAB = pytest.mark.parametrize("known_lab", [Size(days=12, seed=1)], indirect=True, ids=["small"])
TOLERANCE = 1e-9
"""Of the larger of the value and 1: both engines sum doubles, in different orders."""


@pytest.fixture(autouse=True)
def _spark_is_here() -> None:
    if reason := why_not_spark():
        if os.environ.get("FLAKEHOUSE_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def dbt_on_spark(folders: Folders, lake: Path, *arguments: str) -> str:
    """Runs dbt in a folder of its own, where nothing may be left; fails with its output."""
    elsewhere = folders.home / "elsewhere"
    elsewhere.mkdir(parents=True, exist_ok=True)
    variables = {"lake": str(lake), "derived": str(folders.derived)}
    done = subprocess.run(
        [
            *(DBT, "--no-use-colors", *arguments, "--target", "spark", "--vars", json.dumps(variables)),
            *("--project-dir", PROJECT, "--profiles-dir", PROJECT),
            *("--target-path", folders.dbt_target, "--log-path", folders.dbt_target),
        ],
        env=os.environ | {"FLAKEHOUSE_SPARK": str(folders.spark)},
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}"
    assert list(elsewhere.iterdir()) == []
    return done.stdout


@pytest.mark.proof
@SMALL_LAB
def test_a_build_by_spark_passes_every_test_and_publishes_what_duckdb_does(
    known_lab: KnownLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: list[str]
) -> None:
    lake = known_lab.home.path / "raw"
    monkeypatch.setenv("FLAKEHOUSE_LAKE", str(lake))
    home = Home(tmp_path / "home", known_lab.home.connections)
    printed = home.flakehouse("build", "--target", "spark")
    assert "published as Parquet in marts/" in printed
    folders = Folders(home.path, "spark")
    assert not folders.published.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"home"}
    with duckdb.connect() as connection:
        for schema in PUBLIC_SCHEMAS:
            connection.execute(f"create schema {schema}")
            for file in (folders.marts / schema).glob("*.parquet"):
                connection.execute(f"create view {schema}.{file.stem} as from read_parquet('{file}')")
        figures.append(held_equal(connection, known_lab.home))
    done = dbt_on_spark(folders, lake, "test", "--select", "test_type:unit")
    figures.append(f"unit tests on Spark: {done.rpartition('Done. ')[2].strip()}")


def held_equal(spark: duckdb.DuckDBPyConnection, home: Home) -> str:
    """Holds every table of the connection to the one that the home has published; what was compared."""
    spark.execute(f"set timezone = 'UTC'; attach '{published(home)}' as duck (read_only)")
    theirs = columns_by_table(spark, "duck")
    ours = columns_by_table(spark, spark.execute("select current_catalog()").fetchone()[0])
    assert theirs
    assert ours == theirs
    differing = [found for table, columns in theirs.items() if (found := difference(spark, table, columns))]
    assert differing == []
    rows = [spark.execute(f"select count(*) from duck.{table}").fetchone()[0] for table in theirs]
    return f"{len(rows)} tables, {sum(rows):,} rows, {rows.count(0)} tables empty: none differs"


def published(home: Home) -> Path:
    return home.path / "warehouse" / "flakehouse.duckdb"


def columns_by_table(connection: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    for schema, table, column, kind in connection.execute(
        """select table_schema, table_name, column_name, data_type from information_schema.columns
           where table_catalog = ? and table_schema in (select unnest(?)) order by all""",
        [catalog, PUBLIC_SCHEMAS],
    ).fetchall():
        tables.setdefault(f"{schema}.{table}", {})[column] = kind
    return tables


def difference(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str]) -> str | None:
    """How many rows differ, and the columns of the first that does; every key is made of columns without doubles."""
    exact = [f'"{name}"' for name, kind in columns.items() if kind != "DOUBLE"]
    unequal = {
        name: f"""abs(a."{name}" - b."{name}") > {TOLERANCE} * greatest(1, abs(a."{name}"))
                  or (a."{name}" is null) <> (b."{name}" is null)"""
        if kind == "DOUBLE"
        else f'a."{name}" is distinct from b."{name}"'
        for name, kind in columns.items()
    }
    numbered = f"select *, row_number() over (order by {', '.join(exact)}) as number_ from"
    which = ", ".join(
        f"case when {condition} then '{name}: ' || coalesce(cast(a.\"{name}\" as text), 'null') || ' and ' || coalesce(cast(b.\"{name}\" as text), 'null') end"
        for name, condition in unequal.items()
    )
    found = connection.execute(
        f"""
        with a as ({numbered} duck.{table}), b as ({numbered} {table})
        select concat_ws('; ', {which}) from a full join b using (number_)
        where a.number_ is null or b.number_ is null or {" or ".join(f"({one})" for one in unequal.values())}
        order by number_
        """
    ).fetchall()
    return f"{table}: {len(found)} rows differ, as {found[0][0]}" if found else None
