"""What a person sees: one line per refusal, progress on a terminal, plain lines elsewhere, noise in a file."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

TABLE_WIDTH = 100


class CommandError(Exception):
    """A command cannot do what it was asked: one line that says why and what to do. Exit code 1."""


class Stage(Protocol):
    """One part of a command, of a known or unknown number of steps."""

    def step(self, line: str) -> None:
        """One more step is done; what it was."""

    def now(self, line: str) -> None:
        """What is going on at the moment."""

    def say(self, line: str) -> None:
        """Something that must not be missed."""


def console() -> Console:
    """On standard output; as wide as the terminal, and 100 columns elsewhere. Brackets are brackets: [perfecto.acme]."""
    terminal = sys.stdout.isatty()
    return Console(
        file=sys.stdout,
        width=None if terminal else TABLE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not terminal,
    )


def complain(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


@contextmanager
def stage(out: Console, title: str, steps: int | None = None) -> Iterator[Stage]:
    if not out.is_terminal:
        yield _Lines(out, title, steps)
        return
    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=out, transient=False) as progress:
        yield _Bar(progress, title, steps)


class _Lines:
    def __init__(self, out: Console, title: str, steps: int | None):
        self._out, self._steps, self._done = out, steps, 0
        out.print(title)

    def step(self, line: str) -> None:
        self._done += 1
        of = f"/{self._steps}" if self._steps else ""
        self._out.print(f"  {self._done}{of} {line}")

    def now(self, line: str) -> None:
        """Only what is done deserves a line of its own."""

    def say(self, line: str) -> None:
        self._out.print(f"  {line}")


class _Bar:
    def __init__(self, progress: Progress, title: str, steps: int | None):
        self._progress, self._title = progress, title
        self._task = progress.add_task(title, total=steps)

    def step(self, line: str) -> None:
        self._progress.update(self._task, advance=1, description=f"{self._title} · {line}")

    def now(self, line: str) -> None:
        self._progress.update(self._task, description=f"{self._title} · {line}")

    def say(self, line: str) -> None:
        self._progress.console.print(line)


@contextmanager
def noise_to(folder: Path, command: str) -> Iterator[Path]:
    """What Dagster and dbt print goes to a log file of this command. Make the console before."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{command}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.log"
    with (
        path.open("w", buffering=1) as log,
        redirect_stdout(log),
        redirect_stderr(log),
        warnings.catch_warnings(),
    ):
        yield path
