"""`flakehouse demo`: two weeks of a simulated lab, from its APIs to published marts, and a look at the answers."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pipelines.cli import lab, summary
from pipelines.cli.building import build_warehouse
from pipelines.cli.days import last_days, today
from pipelines.cli.reading import read_days, read_now
from pipelines.cli.session import conclude, session
from pipelines.cli.terminal import CommandError
from pipelines.settings import Settings

MARK = "lab"
"""The folder that only a home with a simulated lab has."""


def demo(days: int, home: Path) -> None:
    began = time.monotonic()
    _use(home.expanduser().absolute())
    home = Settings().home
    with session("demo") as current:
        with lab.beside_us(home / MARK, days):
            read = read_days(current, last_days(days, today())) + read_now(current)
        built = build_warehouse(current)
        summary.show(current, time.monotonic() - began)
    conclude([*read, built], current.log)


def _use(home: Path) -> None:
    """Settings of the demo's own, whatever is configured here: it must not touch what is real."""
    if (home / "raw").exists() and not (home / MARK).exists():
        raise CommandError(f"{home} holds data that is not the demo's; choose another folder with --home")
    os.environ["FLAKEHOUSE_HOME"] = str(home)
    os.environ["FLAKEHOUSE_LAKE"] = str(home / "raw")
    os.environ["FLAKEHOUSE_CONNECTIONS"] = str(home / MARK / "connections.toml")
