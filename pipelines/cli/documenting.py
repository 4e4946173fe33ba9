"""The models, columns and lineage of the warehouse as one page, `make docs`: dbt's own, from the published build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.cli.terminal import CommandError, complain, console
from pipelines.defs.warehouse.folders import Folders
from pipelines.defs.warehouse.project import DBT, PROJECT, WarehouseProject
from pipelines.settings import Settings


def write_docs(settings: Settings) -> Path:
    """The page's path. Works on a copy, as dbt opens the database for writing; asks the network nothing."""
    project = WarehouseProject(settings)
    published = project.folders.published
    if not published.exists():
        raise CommandError(f"{published} does not exist: run `flakehouse build` first")
    page = docs_page(project.folders)
    page.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=project.folders.home) as scratch:
        database = Path(scratch, published.name)
        shutil.copyfile(published, database)
        command = [
            *(str(DBT), "--no-use-colors", "docs", "generate", "--static"),
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--vars", project.variables()),
            *("--target-path", f"{scratch}/target", "--log-path", f"{scratch}/logs"),
        ]
        environment = os.environ | {"FLAKEHOUSE_BUILD_DB": str(database)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise CommandError(f"dbt docs failed\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
        shutil.move(f"{scratch}/target/static_index.html", page)
    return page


def docs_page(folders: Folders) -> Path:
    return folders.home / "docs" / "warehouse.html"


if __name__ == "__main__":
    try:
        console().print(str(write_docs(Settings())))
    except CommandError as error:
        complain(str(error))
        sys.exit(1)
