"""Where the warehouse lies under the home folder. Readers use what is published; `.build` is ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    home: Path  # absolute: dbt runs in its project's folder
    target: str = "duckdb"  # the engine that builds: as dbt's profile calls it

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse"

    @property
    def published(self) -> Path:
        """What analysts open. The stem is the catalog's name inside the file: both files must share it."""
        return self.warehouse / "flakehouse.duckdb"

    @property
    def marts(self) -> Path:
        """A link to the Parquet files of one build."""
        return self.home / "marts"

    @property
    def build(self) -> Path:
        """Each engine's own: what the one has built and tested says nothing about the other."""
        return self.warehouse / (".build" if self.target == "duckdb" else f".build-{self.target}")

    @property
    def build_database(self) -> Path:
        return self.build / "flakehouse.duckdb"

    @property
    def spark(self) -> Path:
        """All that Spark writes: tables, its catalog of them, and what does not fit into memory."""
        return self.build / "spark"

    @property
    def spark_tables(self) -> Path:
        """`<schema>.db/<table>/*.parquet`."""
        return self.spark / "warehouse"

    @property
    def derived(self) -> Path:
        """Tables that Python assets write during a build, for the models that follow."""
        return self.build / "derived"

    @property
    def dbt_target(self) -> Path:
        """dbt's manifest and logs: per home, so that two homes never trample each other."""
        return self.build / "dbt"
