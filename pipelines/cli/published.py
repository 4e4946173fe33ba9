"""The published warehouse, for the commands that read it."""

from __future__ import annotations

from pathlib import Path

from pipelines.cli.terminal import CommandError
from pipelines.defs.warehouse.folders import Folders
from pipelines.settings import Settings


def published_warehouse() -> Path:
    """Its file; CommandError where nothing is published yet."""
    file = Folders(Settings().home).published
    if not file.exists():
        raise CommandError(f"{file}: no warehouse is published yet; run `flakehouse build`")
    return file
