"""`flakehouse demo`: two weeks of a simulated lab, from its APIs to published marts, and a look at the answers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from pipelines.cli import lab, summary
from pipelines.cli.building import build_warehouse
from pipelines.cli.days import last_days, today
from pipelines.cli.reading import day_lanes, snapshot_lanes
from pipelines.cli.runs import Run
from pipelines.cli.session import Session, session
from pipelines.cli.terminal import CommandError
from pipelines.settings import Settings

MARK = "lab"
"""The folder that only a home with a simulated lab has."""

SETTLED_AFTER = timedelta(days=3)
"""Late rows and changed reasons come within days: a day that was read this long after its end is not read again."""


def demo(days: int, home: Path) -> None:
    began = time.monotonic()
    _use(home.expanduser().absolute())
    home = Settings().home
    with session("demo") as current:
        with lab.beside_us(home / MARK, days):
            lanes = day_lanes(current, last_days(days, today()))
            wanted = [[run for run in lane if not _is_settled(current, run)] for lane in lanes]
            title = f"Reading {days} days and a snapshot"
            outcomes = current.make(title, _by_connection([*wanted, *snapshot_lanes(current)]))
        outcomes.append(build_warehouse(current))
        summary.show(current, time.monotonic() - began)
    current.conclude(outcomes)


def _use(home: Path) -> None:
    """Settings of the demo's own, whatever is configured here: it must not touch what is real."""
    if (home / "raw").exists() and not (home / MARK).exists():
        raise CommandError(f"{home} holds data that is not the demo's; choose another folder with --home")
    os.environ["FLAKEHOUSE_HOME"] = str(home)
    os.environ["FLAKEHOUSE_LAKE"] = str(home / "raw")
    os.environ["FLAKEHOUSE_CONNECTIONS"] = str(home / MARK / "connections.toml")


def _is_settled(current: Session, run: Run) -> bool:
    if not Path(current.settings.lake).exists():
        return False
    end = datetime.fromisoformat(run.day).replace(tzinfo=UTC) + timedelta(days=1)
    settled = (end + SETTLED_AFTER).timestamp()
    return all(
        current.storage.fetch_materializations(
            dg.AssetRecordsFilter(asset, asset_partitions=[run.partition_key], after_timestamp=settled),
            limit=1,
        ).records
        for asset in run.assets
    )


def _by_connection(lanes: Iterable[list[Run]]) -> list[list[Run]]:
    """One lane per connection, so that a connection is never read twice at once."""
    merged: dict[str, list[Run]] = {}
    for run in (run for lane in lanes for run in lane):
        merged.setdefault(run.connection, []).append(run)
    return list(merged.values())
