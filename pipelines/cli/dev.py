"""`flakehouse dev`: the Dagster UI and daemon over this home, on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.cli import lab
from pipelines.cli.terminal import console
from pipelines.lib.clock import utc_now
from pipelines.orchestration import instance
from pipelines.settings import Settings

WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"
LAB_DAYS = 60


def dev(port: int) -> None:
    settings, out, page = Settings(), console(), f"http://127.0.0.1:{port}"
    storage = instance.of(settings.home)
    instance.fail_orphans(storage, utc_now())
    with _connections(settings) as connections:
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(instance.folder(settings.home)),
            "FLAKEHOUSE_HOME": str(settings.home),
            "FLAKEHOUSE_CONNECTIONS": str(connections),
            "FLAKEHOUSE_UI_URL": settings.ui_url if "ui_url" in settings.model_fields_set else page,
            "PYTHONPATH": str(WORKSPACE.parent),
        }
        out.print(f"Dagster on {page}, reading {connections}; stop it with Ctrl-C")
        command = [
            sys.executable,
            "-m",
            "dagster",
            "dev",
            "-w",
            str(WORKSPACE),
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
        ]
        # In a session of its own, so that Ctrl-C reaches it once, from here.
        process = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
        try:
            process.wait()
        except KeyboardInterrupt:
            out.print("stopping")
        finally:
            process.terminate()
            process.wait()


@contextmanager
def _connections(settings: Settings) -> Iterator[Path]:
    """The configured connections file; where there is none, that of a simulated lab which runs meanwhile."""
    if settings.connections_file.exists():
        yield settings.connections_file
        return
    with lab.beside_us(settings.home / "lab", LAB_DAYS) as connections:
        yield connections
