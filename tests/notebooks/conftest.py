"""The notebooks on a built warehouse, of which only the marts are left; for the browser they are served as a user serves them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.proofs.conftest import KnownLab, known_lab

__all__ = ["known_lab"]

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def marts_only(known_lab: KnownLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing but marts is published, and one project has a team."""
    home = tmp_path_factory.mktemp("marts_only")
    published = home / "warehouse" / "flakehouse.duckdb"
    published.parent.mkdir()
    shutil.copyfile(known_lab.home.path / "warehouse" / "flakehouse.duckdb", published)
    with duckdb.connect(published) as warehouse:
        schemas = warehouse.sql("select distinct schema_name from duckdb_tables()").fetchall()
        for (schema,) in schemas:
            if schema != "marts":
                warehouse.execute(f"drop schema {schema} cascade")
        for mart in ("recent_test_runs", "recent_test_runs_daily", "recent_tests"):
            warehouse.execute(f"update marts.{mart} set team = 'Checkout' where project_name = 'Shop'")
        ((left,),) = warehouse.sql("select list(distinct schema_name) from duckdb_tables()").fetchall()
    assert left == ["marts"]
    return home


@dataclass(frozen=True)
class Served:
    url: str
    asked: Path
    log: Path
    process: subprocess.Popen[Any]

    def asked_elsewhere(self) -> list[str]:
        """Addresses beyond loopback that the server looked up or connected to."""
        return self.asked.read_text().splitlines()


@pytest.fixture(scope="session")
def served(marts_only: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(marts_only, tmp_path_factory.mktemp("served")) as served:
        yield served


@contextmanager
def serving(home: Path, folder: Path) -> Iterator[Served]:
    """`flakehouse notebooks` over a home, until it is told to end."""
    asked, log = folder / "asked", folder / "log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"FLAKEHOUSE_HOME": str(home), "HOME": str(folder)}
    command = [sys.executable, "-m", "tests.notebooks.watched", str(asked), "notebooks", "--port", str(port)]
    with log.open("w") as out:
        server = subprocess.Popen(
            command, env=environment, stdout=out, stderr=out, cwd=Path(__file__).parents[2]
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/", server, log)
            yield Served(f"http://127.0.0.1:{port}", asked, log, server)
        finally:
            server.terminate()
            server.wait(60)


def _wait_for(url: str, server: subprocess.Popen[Any], log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310  our own
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"nothing answers at {url}\n{log.read_text()}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, which reaches for nothing by itself.

    For a module, not the session: as long as it runs, its event loop is this thread's, and no other test can have one.
    """
    if CHROMIUM is None:
        if os.environ.get("FLAKEHOUSE_REQUIRE_ALL") == "1":
            pytest.fail("needs Chromium: apt-get install chromium")
        pytest.skip("needs Chromium, which is not installed")
    from playwright.sync_api import sync_playwright

    quiet = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", *quiet]
        )
        yield chromium
        chromium.close()
