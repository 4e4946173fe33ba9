"""`flakehouse ingest` and `flakehouse snapshot`: from the systems into the lake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pipelines.cli import selection
from pipelines.cli.days import parsed_days
from pipelines.cli.runs import Outcome, Run, definitions
from pipelines.cli.session import Session, session
from pipelines.cli.terminal import CommandError
from pipelines.lib.clock import utc_now
from pipelines.orchestration.connections import register
from pipelines.settings import load_connections


def ingest(
    start: str, end: str, selected: Sequence[str], names: Sequence[str], *, only_missing: bool = False
) -> None:
    days = parsed_days(start, end)
    with session("ingest") as current:
        lanes = day_lanes(current, days, selected, names)
        if only_missing:
            lanes = selection.missing(lanes, current.settings.lake, utc_now())
            if not lanes:
                current.out.print("Nothing is missing: each of these days was read")
                return
            days = {run.day for lane in lanes for run in lane}
        outcomes = current.make(f"Ingesting {len(days)} days", lanes)
        _name_those_due_again(current, outcomes)
    current.conclude(outcomes)


def snapshot(selected: Sequence[str], names: Sequence[str]) -> None:
    with session("snapshot") as current:
        outcomes = current.make("Taking a snapshot", snapshot_lanes(current, selected, names))
    current.conclude(outcomes)


def _name_those_due_again(current: Session, outcomes: Sequence[Outcome]) -> None:
    days: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.is_due_again:
            days.setdefault(outcome.run.subject, []).append(outcome.run.day)
    for subject, unfinished in days.items():
        current.out.print(
            f"{subject} was still processing {', '.join(sorted(unfinished))}: ingest again later"
        )


def day_lanes(
    current: Session, days: Sequence[date], selected: Sequence[str] = (), names: Sequence[str] = ()
) -> list[list[Run]]:
    """Runs over the window tables, a lane per connection. CommandError where the choice names nothing."""
    return _lanes(current, selection.WINDOW, selected, names, days)


def snapshot_lanes(
    current: Session, selected: Sequence[str] = (), names: Sequence[str] = ()
) -> list[list[Run]]:
    """Runs over the snapshot tables, a lane per connection. CommandError where the choice names nothing."""
    return _lanes(current, selection.SNAPSHOT, selected, names, [])


def _lanes(
    current: Session, kind: str, selected: Sequence[str], names: Sequence[str], days: Sequence[date]
) -> list[list[Run]]:
    configured = load_connections(current.settings)
    tables = selection.chosen_tables(selection.raw_tables(definitions()), kind, selected)
    connections = selection.chosen_connections(configured, names)
    lanes = selection.lanes(tables, connections, days)
    if not lanes:
        kinds = ", ".join(sorted({table.connection_kind for table in tables}))
        raise CommandError(f"nothing to read: no chosen connection is of kind {kinds}")
    register(current.storage, configured)
    return lanes
