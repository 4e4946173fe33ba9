"""What is built so far, to be read: whichever engine built it, by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from pipelines.defs.warehouse.folders import Folders


@contextmanager
def opened(folders: Folders) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables of the build database; of a build by Spark, views of its tables' files: Spark need not run."""
    if folders.target == "duckdb":
        with duckdb.connect(folders.build_database, read_only=True) as connection:
            yield connection
        return
    with duckdb.connect() as connection:
        for table in sorted({file.parent for file in folders.spark_tables.glob("*.db/*/*.parquet")}):
            schema = table.parent.name.removesuffix(".db")
            connection.execute(f'create schema if not exists "{schema}"')
            connection.execute(f'use "{schema}"')
            connection.read_parquet(str(table / "*.parquet")).create_view(table.name)
        yield connection
