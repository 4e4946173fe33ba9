"""The dbt project as this home sees it: its environment, its variables, and an up-to-date manifest."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
from dagster_dbt import DbtCliResource, DbtProject
from filelock import FileLock

from pipelines.defs.warehouse.folders import Folders
from pipelines.settings import Settings

PROJECT = Path(__file__).parents[3] / "dbt"
RULES = (PROJECT, Path(__file__).parent, Path(__file__).parents[2] / "lib")
DBT = Path(sys.executable).with_name("dbt")


class WarehouseProject:
    """What a dbt command needs: paths are absolute, since dbt runs in the project's folder."""

    def __init__(self, settings: Settings, target: str = "duckdb"):
        self.folders = Folders(settings.home.absolute(), target)
        self.lake = settings.lake if "://" in settings.lake else str(Path(settings.lake).absolute())
        self.dbt_project = DbtProject(PROJECT, target_path=self.folders.dbt_target, profiles_dir=PROJECT)

    def variables(self, as_of: str | None = None) -> str:
        """As dbt's `--vars`. The same at every call, as far as can be: a change makes dbt parse all anew."""
        capped = {"as_of": as_of} if as_of else {}
        return json.dumps({"lake": self.lake, "derived": str(self.folders.derived), **capped})

    def cli(self) -> DbtCliResource:
        """dbt of this very environment, writing nothing outside the home."""
        os.environ["FLAKEHOUSE_BUILD_DB"] = str(self.folders.build_database)
        os.environ["FLAKEHOUSE_SPARK"] = str(self.folders.spark)
        os.environ["DBT_TARGET_PATH"] = os.environ["DBT_LOG_PATH"] = str(self.folders.dbt_target)
        return DbtCliResource(
            project_dir=self.dbt_project,
            profiles_dir=str(PROJECT),
            dbt_executable=str(DBT),
            target=self.folders.target,
        )

    def manifest(self) -> Path:
        """The manifest of the project as it is now; parsed anew only after a change."""
        path = self.dbt_project.manifest_path
        path.parent.mkdir(parents=True, exist_ok=True)
        mark = path.with_name("fingerprint")
        with FileLock(path.with_name("parse.lock")):
            fingerprint = self._fingerprint()
            if not path.exists() or not mark.exists() or mark.read_text() != fingerprint:
                arguments = ["parse", "--quiet", "--vars", self.variables()]
                self.cli().cli(arguments, target_path=path.parent).wait()
                mark.write_text(fingerprint)
        return path

    def tables(self) -> list[str]:
        """`schema.table` of every model and seed, as Dagster names them."""
        nodes = json.loads(self.manifest().read_text())["nodes"].values()
        return [
            f"{node['schema']}.{node['name']}" for node in nodes if node["resource_type"] in ("model", "seed")
        ]

    def rules(self, as_of: str | None = None) -> str:
        """A hash of all that makes rows out of the lake: models, seeds, variables, what is derived in Python, DuckDB."""
        content = hashlib.sha256(f"{self.variables(as_of)} {duckdb.__version__}".encode())
        for file in sorted(file for folder in RULES for file in _files(folder)):
            content.update(f"{file.name} ".encode() + file.read_bytes())
        return content.hexdigest()

    def _fingerprint(self) -> str:
        """Of every file of the project, of the variables, and of the environment that dbt is part of."""
        files = sorted(
            f"{file.relative_to(PROJECT)} {file.stat().st_mtime_ns} {file.stat().st_size}"
            for file in _files(PROJECT)
        )
        return hashlib.sha256("\n".join([*files, self.variables(), sys.prefix]).encode()).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """Without what dbt and Python write themselves."""
    for file in folder.rglob("*"):
        if file.is_file() and not {"target", "logs", "__pycache__"} & set(file.relative_to(folder).parts):
            yield file
