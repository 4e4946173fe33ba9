"""`flakehouse ingest` and `flakehouse snapshot`: from the systems into the lake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pipelines.cli import selection
from pipelines.cli.days import parsed_days
from pipelines.cli.runs import Outcome, definitions
from pipelines.cli.session import Session, conclude, session
from pipelines.cli.terminal import CommandError
from pipelines.orchestration.connections import register
from pipelines.settings import load_connections


def ingest(start: str, end: str, selected: Sequence[str], connections: Sequence[str]) -> None:
    days = parsed_days(start, end)
    with session("ingest") as current:
        outcomes = read_days(current, days, selected, connections)
    conclude(outcomes, current.log)


def snapshot(selected: Sequence[str], connections: Sequence[str]) -> None:
    with session("snapshot") as current:
        outcomes = read_now(current, selected, connections)
    conclude(outcomes, current.log)


def read_days(
    current: Session, days: Sequence[date], selected: Sequence[str] = (), connections: Sequence[str] = ()
) -> list[Outcome]:
    """Window tables. CommandError where the choice names nothing."""
    return _read(current, f"Ingesting {len(days)} days", selection.WINDOW, selected, connections, days)


def read_now(
    current: Session, selected: Sequence[str] = (), connections: Sequence[str] = ()
) -> list[Outcome]:
    """Snapshot tables. CommandError where the choice names nothing."""
    return _read(current, "Taking a snapshot", selection.SNAPSHOT, selected, connections, [])


def _read(
    current: Session,
    title: str,
    kind: str,
    selected: Sequence[str],
    names: Sequence[str],
    days: Sequence[date],
) -> list[Outcome]:
    configured = load_connections(current.settings)
    tables = selection.chosen_tables(selection.raw_tables(definitions()), kind, selected)
    connections = selection.chosen_connections(configured, names)
    lanes = selection.lanes(tables, connections, days)
    if not lanes:
        kinds = ", ".join(sorted({table.connection_kind for table in tables}))
        raise CommandError(f"nothing to read: no chosen connection is of kind {kinds}")
    register(current.storage, configured)
    return current.make(title, lanes)
