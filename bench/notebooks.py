# ruff: noqa: S603, S608  every name in these statements and commands is our own
"""How long a reader waits: each notebook's opening and each of its filters, in Chromium, over many executions.

.venv/bin/python -m bench.notebooks --home .flakehouse --executions 10000000
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import duckdb
import typer

from bench import measuring
from pipelines.defs.warehouse.folders import Folders
from pipelines.notebooks.page import NOTEBOOKS

OPENING_SECONDS, FILTER_SECONDS = 3.0, 1.0
"""What is wanted, at the median."""

CONNECTIONS, PROJECTS = 5, 20
"""So many of each are made of one: a larger site has more tests and devices rather than more of these. A project has
failure reasons of its own."""

_COPIES = {
    "fleet_concurrency_hourly": CONNECTIONS,
    "failure_reasons": PROJECTS,
    "failure_reasons_daily": PROJECTS,
    "failure_concentrations": PROJECTS,
}
"""Of tables that do not grow with the tests."""

_ADDED = {"recent_test_runs_daily": ("runs", "outage_runs")}
"""Of tables that count what copies have in common."""

_OWN_IDS = {
    "test_id",
    "test_run_id",
    "build_id",
    "device_id",
    "scope_id",
    "outage_id",
    "agent_id",
}


def main(
    home: Annotated[Path, typer.Option(help="whose published marts are repeated")] = Path(".flakehouse"),
    executions: Annotated[int, typer.Option(help="that the repeated marts are of")] = 10_000_000,
    rounds: Annotated[int, typer.Option(help="of each opening and filter")] = 5,
) -> None:
    """Repeats a home's marts, serves the notebooks over them, and opens each and turns each filter."""
    with tempfile.TemporaryDirectory(prefix="flakehouse-bench-") as folder:
        counted = repeat(Folders(home.absolute()).published, Folders(Path(folder)).published, executions)
        with served(Path(folder)) as url, browsing() as context:
            rows = [row for name in NOTEBOOKS for row in measured(context, url, name, rounds)]
    measuring.show(
        f"notebooks over {counted:,} counted executions, {rounds} rounds",
        ("", "median", "slowest", "wanted"),
        rows,
    )


def repeat(published: Path, many: Path, executions: int) -> int:
    """A warehouse of these marts many times over, each time with tests, devices, runs and failures of their own; how
    many counted executions it is of."""
    many.parent.mkdir(parents=True)
    with duckdb.connect(many) as warehouse:
        warehouse.execute(f"attach '{published}' as one (read_only)")
        warehouse.execute("create schema marts")
        ((counted,),) = warehouse.sql(
            "select sum(runs)::bigint from one.marts.test_flakiness_daily"
        ).fetchall()
        times = -(-executions // counted)
        tables = warehouse.sql(
            "select table_name from duckdb_tables() where database_name = 'one' and schema_name = 'marts'"
        ).fetchall()
        for (table,) in tables:
            columns = warehouse.sql(f"from one.marts.{table} limit 0").columns
            values = ", ".join(_copied(column, _ADDED.get(table, ())) for column in columns)
            warehouse.execute(
                f"create table marts.{table} as select {values} from one.marts.{table} cross join range({_COPIES.get(table, times)}) as copy(n)"
                + (" group by all" if table in _ADDED else "")
            )
    return counted * times


def _copied(column: str, added: tuple[str, ...]) -> str:
    if column in added:
        return f"sum({column})::bigint as {column}"
    if column == "connection":
        return f"{column} || '-' || (n % {CONNECTIONS}) as {column}"
    if column == "project_name":
        return f"{column} || ' ' || (n % {PROJECTS}) as {column}"
    if column in ("failure_id", "family_id"):
        return f"{column} || '-' || (n % {PROJECTS}) as {column}"
    return f"{column} || '-' || n as {column}" if column in _OWN_IDS else column


@contextmanager
def served(home: Path) -> Iterator[str]:
    """`flakehouse notebooks` over this home, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pipelines.cli", "notebooks", "--port", str(port)]
    server = subprocess.Popen(
        command, env=os.environ | {"FLAKEHOUSE_HOME": str(home)}, stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while server.poll() is None:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


@contextmanager
def browsing() -> Iterator[Any]:
    """One visit of Chromium: what it has fetched once it keeps."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium.new_context(viewport={"width": 1280, "height": 1000})
        chromium.close()


def measured(context: Any, url: str, name: str, rounds: int) -> list[list[str]]:
    """A row for the openings after the first, and one for each filter."""
    Notebook(context, f"{url}/{name}/").page.close()
    openings = []
    for _ in range(rounds):
        started = time.perf_counter()
        notebook = Notebook(context, f"{url}/{name}/")
        openings.append(notebook.ready_at - started)
        notebook.page.close()
    rows = [_row(NOTEBOOKS[name][0], openings, OPENING_SECONDS)]
    notebook = Notebook(context, f"{url}/{name}/")
    for label in notebook.filters():
        at_first = notebook.chosen(label)
        turns = [notebook.turned(label, number) for number in range(rounds)]
        rows += [_row(f"  {label}", turns, FILTER_SECONDS)]
        notebook.choose(label, at_first)  # each filter alone: of the others all is shown
    notebook.page.close()
    return rows


def _row(label: str, seconds: list[float], wanted: float) -> list[str]:
    return [label, f"{median(seconds):.2f} s", f"{max(seconds):.2f} s", f"{wanted:.0f} s"]


class Notebook:
    """A page with a notebook, ready when it has run and nothing that is drawn changes any more."""

    def __init__(self, context: Any, url: str) -> None:
        self.runs = 0
        self.page = context.new_page()
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._count))
        self.page.goto(url)
        self.ready_at = self._ready(lambda: self.runs > 0 and bool(self._drawn()))

    def _count(self, frame: str | bytes) -> None:
        self.runs += '"completed-run"' in (frame if isinstance(frame, str) else frame.decode())

    def _drawn(self) -> str:
        charts = self.page.locator(".vega-embed svg")
        return "".join(charts.evaluate_all("all => all.map(each => each.outerHTML)"))

    def _ready(self, has_run: Callable[[], bool]) -> float:
        """When it was first seen as it then stays for six looks."""
        seen, since, looks = "", time.perf_counter(), 0
        while looks < 6:
            self.page.wait_for_timeout(50)
            now = self._drawn()
            if now != seen or not has_run():
                seen, since, looks = now, time.perf_counter(), 0
            else:
                looks += 1
        return since

    def filters(self) -> list[str]:
        labels = self.page.locator("marimo-dropdown:has(select) label").all_inner_texts()
        return [label for label in labels if self._choices(label) > 1]

    def _choices(self, label: str) -> int:
        return self.page.get_by_label(label, exact=True).locator("option").count()

    def chosen(self, label: str) -> int:
        return self.page.get_by_label(label, exact=True).evaluate("choice => choice.selectedIndex")

    def turned(self, label: str, number: int) -> float:
        """Seconds from another choice to the page that shows it; every second choice is the first one."""
        return self.choose(label, 0 if self.chosen(label) else 1 + number % (self._choices(label) - 1))

    def choose(self, label: str, index: int) -> float:
        if self.chosen(label) == index:
            return 0.0
        before, started = self.runs, time.perf_counter()
        self.page.get_by_label(label, exact=True).select_option(index=index)
        return self._ready(lambda: self.runs > before) - started


if __name__ == "__main__":
    typer.run(main)
