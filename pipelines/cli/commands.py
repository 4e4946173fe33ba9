"""What can be typed: options and their help. The work is imported when a command runs, so that help is quick."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Select = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="SOURCE[.TABLE]", help="Only this source or table; may be repeated."),
]
OnlyConnection = Annotated[
    list[str] | None,
    typer.Option("--connection", metavar="NAME", help="Only this connection; may be repeated."),
]


class Target(StrEnum):
    duckdb = "duckdb"
    spark = "spark"


def demo(
    days: Annotated[int, typer.Option(min=1, max=90, help="UTC days up to today.")] = 14,
    home: Annotated[Path, typer.Option(metavar="DIR", help="Where everything is written.")] = Path(
        ".flakehouse"
    ),
) -> None:
    """The whole product on a simulated lab: ingest, build, publish, and look at the answers."""
    from pipelines.cli.demo import demo

    demo(days, home)


def init() -> None:
    """Ask for the systems to read, look at each, and write connections.toml and .env."""
    from pipelines.cli.first_run import init

    init()


def doctor(
    here: Annotated[
        bool, typer.Option("--here", help="Look at this machine and its deployment only; ask no system.")
    ] = False,
) -> None:
    """Whether every configured system can be read, and everything here be written. Exit 1 if anything is wrong."""
    from pipelines.cli.doctor import doctor

    doctor(only_here=here)


def ingest(
    start: Annotated[str, typer.Option(metavar="DATE", help="First UTC day, as 2026-01-31.")],
    end: Annotated[str, typer.Option(metavar="DATE", help="Last UTC day, included.")],
    missing: Annotated[
        bool,
        typer.Option("--missing", help="Of these days, only what the lake lacks: goes on where it stopped."),
    ] = False,
    select: Select = None,
    connection: OnlyConnection = None,
) -> None:
    """Read days of the tables that can be asked again. Safe to repeat, in any order."""
    from pipelines.cli.reading import ingest

    ingest(start, end, select or [], connection or [], only_missing=missing)


def snapshot(select: Select = None, connection: OnlyConnection = None) -> None:
    """One round of the point-in-time tables: what each system says at this moment."""
    from pipelines.cli.reading import snapshot

    snapshot(select or [], connection or [])


def replay(select: Select = None, connection: OnlyConnection = None) -> None:
    """Derive the lake's typed files anew from the records that they carry, after a contract changed. Asks no system."""
    from pipelines.cli.replaying import replay

    replay(select or [], connection or [])


def housekeep() -> None:
    """Put each day's observations into one file, and remove what is past the age limits. Safe at any time."""
    from pipelines.cli.keeping import housekeep

    housekeep()


def build(
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Ignore every run after this UTC day.")
    ] = None,
    target: Annotated[Target, typer.Option(help="The engine that builds.")] = Target.duckdb,
    anew: Annotated[
        bool, typer.Option("--anew", help="Make all of history anew, not only what changed.")
    ] = False,
) -> None:
    """Build the warehouse from the lake, test it, and publish it: the days that changed, unless a rule did."""
    from pipelines.cli.building import build

    build(as_of, target, anew)


def report(
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to; $FLAKEHOUSE_HOME/reports if left out.")
    ] = None,
) -> None:
    """The review of tests, failures, devices and cost as one HTML file that needs no network."""
    from pipelines.cli.reporting import report

    report(out)


def _tables(typed: str) -> list[str]:
    """For the shell to complete."""
    from pipelines.cli.exporting import tables

    return [table for table in tables() if table.startswith(typed)]


def export(
    what: Annotated[
        str,
        typer.Argument(
            metavar="TABLE|QUERY", help="As marts.test_flakiness, or a select.", autocompletion=_tables
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Its ending is the format: .csv, .xlsx, .parquet.")
    ],
) -> None:
    """A table of the published warehouse, or any query on it, as a file for another program."""
    from pipelines.cli.exporting import export

    export(what, out)


def dev(
    port: Annotated[int, typer.Option(help="Of the Dagster UI, on loopback.")] = 3000,
) -> None:
    """The Dagster UI over this home; with a simulated lab where no connections are configured."""
    from pipelines.cli.dev import dev

    dev(port)


def notebooks(
    port: Annotated[int, typer.Option(help="On loopback.")] = 2718,
) -> None:
    """The notebooks over the published warehouse, as apps for a browser."""
    from pipelines.cli.notebooks import notebooks

    notebooks(port)


def simlab(
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="Another seed is another world.")] = 1,
    days: Annotated[int, typer.Option(min=1, help="How many days the world has.")] = 14,
    end: Annotated[
        str | None, typer.Option(metavar="DATE", help="Its last UTC day; the clock's today if left out.")
    ] = None,
    clock: Annotated[
        str, typer.Option(metavar="real|START[xSPEED]", help="What time the lab believes it is.")
    ] = "real",
    faults: Annotated[str, typer.Option(metavar="PROFILE", help="How badly its servers behave.")] = "none",
    history: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Replay a recorded CI history instead; may be repeated."),
    ] = None,
    connections: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a ready connections.toml.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write what is true of the world.")
    ] = None,
    density: Annotated[
        float, typer.Option(help="How busy its device cloud is: 1 is 550 test runs a working day.")
    ] = 1.0,
) -> None:
    """The simulated lab, in the foreground until interrupted. Its first line is JSON with port and URLs."""
    from pipelines.cli.lab import serve

    serve(port, seed, days, end, clock, faults, tuple(history or ()), connections, truth, density)
