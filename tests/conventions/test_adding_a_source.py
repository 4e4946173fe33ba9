"""docs/adding-a-source.md is followed to the letter, in a copy of the project, against a server of a few lines."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest

REPOSITORY = Path(__file__).parents[2]
RECIPE = (REPOSITORY / "docs/adding-a-source.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(?:# |-- |<!-- )(append to )?([\w./-]+)(?: -->)?\n(.*?)^```$", re.M | re.S)
COMMAND = re.compile(r"^\$ \.venv/bin/(.+)$", re.MULTILINE)
NEEDED = ("pipelines", "dbt", "tests", "simlab", "pyproject.toml", "workspace.yaml")
TOKEN, PHONE = "example-token-that-nobody-may-read", "+1-555-0177"
NOON = 1_772_452_800_000  # of 2026-03-02
BUILDS = [
    {
        "id": "b1",
        "name": "nightly",
        "number": 7,
        "result": "passed",
        "startedAt": NOON,
        "finishedAt": NOON + 9,
    },
    {"id": "b2", "name": "nightly", "number": "8", "startedAt": NOON + 10, "ownerPhone": PHONE},
    {"name": "without an id"},
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A page per build."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            page = int(parse_qs(parts.query)["page"][0])
            is_known = self.headers["X-Token"] == TOKEN and parts.path == "/builds"
            self.send_response(200 if is_known else 401)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            more = page + 1 if page < len(BUILDS) else None
            self.wfile.write(json.dumps({"builds": BUILDS[page - 1 : page], "next": more}).encode())

        def log_message(self, *_arguments: object) -> None:
            """Silent."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_address[1]}"
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with every block of the recipe in its place."""
    copy = tmp_path_factory.mktemp("project")
    for name in NEEDED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(
                source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "target", "logs")
            )
        else:
            shutil.copy(source, copy / name)
    for _, is_appended, name, text in BLOCK.findall(RECIPE):
        file = copy / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((file.read_text() + "\n\n" if is_appended else "") + text)
    return copy


def run(project: Path, server: str, command: str) -> str:
    """A command of the recipe, run in the copy; its output."""
    program, _, arguments = command.partition(" ")
    called = ["-m", "pipelines.cli"] if program == "flakehouse" else []
    if program == "dbt":
        called = ["-m", "dbt.cli.main"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(project),
        "FLAKEHOUSE_HOME": str(project / "home"),
        "FLAKEHOUSE_CONNECTIONS": str(project / "connections.toml"),
        "FLAKEHOUSE_BUILD_DB": str(project / "build.duckdb"),
        "FLAKEHOUSE_MOST_REJECTED": "0.5",  # one of the server's three records is odd
        "EXAMPLE_CI_URL": server,
        "EXAMPLE_CI_TOKEN": TOKEN,
    }
    words = [sys.executable, *called, *arguments.split()]
    done = subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    assert TOKEN not in done.stdout + done.stderr
    return done.stdout


def test_every_block_of_the_recipe_says_where_it_belongs() -> None:
    fences = re.findall(r"^```\w+$", RECIPE, re.MULTILINE)
    assert len(fences) == len(BLOCK.findall(RECIPE)) + 1  # and the commands
    assert {language for language, *_ in BLOCK.findall(RECIPE)} == {
        "python",
        "yaml",
        "sql",
        "markdown",
        "toml",
    }


def test_the_recipe_makes_a_source_that_reads_a_day(project: Path, server: str) -> None:
    doctor, ingest, conventions = COMMAND.findall(RECIPE)

    assert "example_ci.ci example_ci.builds: 1 builds in the last 24 hours" in run(project, server, doctor)
    assert "2 rows, 1 rejected" in run(project, server, ingest)
    held = run(project, server, f"{conventions} -q -p no:cacheprovider")
    assert int(re.findall(r"(\d+) passed", held)[0]) >= 12

    lake = project / "home/raw"
    variables = json.dumps({"lake": str(lake)}, separators=(",", ":"))
    run(
        project,
        server,
        f"dbt build --project-dir dbt --profiles-dir dbt --select staging.example_ci --vars {variables}",
    )
    with duckdb.connect(str(project / "build.duckdb"), read_only=True) as warehouse:
        query = "select build_id, build_number, issues, dt::varchar from staging.stg_example_ci__builds order by 1"
        rows = warehouse.sql(query).fetchall()
        (raw,) = warehouse.sql("select string_agg(_raw) from example_ci.builds").fetchone()
    assert rows == [("b1", 7, [], "2026-03-02"), ("b2", 8, ["finished_missing"], "2026-03-02")]
    assert PHONE not in raw
