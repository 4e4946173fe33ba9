"""Where the warehouse lies under the home folder. Readers use what is published; `.build` is ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    home: Path  # absolute: dbt runs in its project's folder

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
        return self.warehouse / ".build"

    @property
    def build_database(self) -> Path:
        return self.build / "flakehouse.duckdb"

    @property
    def derived(self) -> Path:
        """Tables that Python assets write during a build, for the models that follow."""
        return self.build / "derived"

    @property
    def dbt_target(self) -> Path:
        """dbt's manifest and logs: per home, so that two homes never trample each other."""
        return self.build / "dbt"
