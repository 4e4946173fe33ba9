"""What is late, missing or gone, as the lake's own data tells it; each finding says what to do about it.

By data: a table is as fresh as what its landings can tell of, not as the last time that something ran. A backfill of
old days makes nothing fresher.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.lib import landings
from pipelines.lib.contract import Table
from pipelines.lib.ingest_partitions import ONLY_CHANGES

ROUNDS_LATE = 3  # as long as a device's state holds (docs/how-numbers-are-computed.md)
LEAST_LATE = timedelta(minutes=15)
ROUNDS_OF_A_GAP = 2
LOOKED_AT = timedelta(hours=24)  # for gaps
KNOWN_FOR = timedelta(days=7)  # whoever was last seen before that is no news
GONE_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class Late:
    """A connection's table of which nothing new is known for too long."""

    connection: str
    known_until: datetime | None
    error: str | None  # of the last attempt, if that failed

    @property
    def key(self) -> str:
        """The same as long as this one lasts."""
        return f"{self.connection} {self.known_until}"

    def __str__(self) -> str:
        since = f"nothing is known after {_shown(self.known_until)}" if self.known_until else "was never read"
        if self.error:
            return f"{self.connection}: {since}; the last attempt failed: {self.error}. `flakehouse doctor` asks it now"
        return (
            f"{self.connection}: {since}, and nobody asked. Is the daemon running, is the sensor on, "
            "is the queue of runs long? `flakehouse ingest` and `flakehouse snapshot` read it by hand"
        )


@dataclass(frozen=True)
class Gap:
    """A time without a round of observations, which cannot be asked for again."""

    connection: str
    start: datetime
    end: datetime

    @property
    def key(self) -> str:
        return f"{self.connection} {self.start}"

    def __str__(self) -> str:
        return (
            f"{self.connection}: no round from {_shown(self.start)} to {_shown(self.end)}; that time stays unobserved. "
            f"The runs tagged flakehouse/cadence=snapshot/{self.connection} say why"
        )


@dataclass(frozen=True)
class Gone:
    """Something that the rounds listed, and list no longer."""

    connection: str
    name: str
    last_seen: datetime

    @property
    def key(self) -> str:
        return f"{self.connection} {self.name} {self.last_seen}"

    def __str__(self) -> str:
        return (
            f"{self.connection}: {self.name} was last listed at {_shown(self.last_seen)}. "
            "Ask whoever keeps the lab whether it was removed; if so, this ends by itself after a week"
        )


def late(lake: str | Path, table: Table, read_every: Mapping[str, timedelta], now: datetime) -> list[Late]:
    """Connections of which the table is late; `read_every`: how often each one's days are read."""
    rows = landings.rows(
        lake,
        now.date() - KNOWN_FOR,
        """select connection,
                  max(least(started_at, coalesce(cast(day as date) + 1, started_at)::timestamptz))
                      filter (error is null and note is distinct from $only_changes),
                  arg_max(error, started_at),
                  arg_max(coalesce(_interval_seconds, 0), started_at),
                  arg_max(coalesce(note, ''), started_at)
           from landings where source_name = $source and table_name = $table
           group by all""",
        {"source": table.source, "table": table.name, "only_changes": ONLY_CHANGES},
    )
    known = {row[0]: row[1:] for row in rows}
    found = []
    for connection, every in read_every.items():
        until, error, seconds, note = known.get(connection, (None, None, 0, ""))
        if landings.NOBODY_ASKED in note:
            continue
        interval = every if table.kind == "window" else timedelta(seconds=seconds)
        if until is None or now - until > max(ROUNDS_LATE * interval, LEAST_LATE):
            found.append(Late(connection, until, error))
    return found


def gaps(lake: str | Path, table: Table, now: datetime) -> list[Gap]:
    """Times of the last day in which rounds are missing between two that were made."""
    rows = landings.rows(
        lake,
        (now - LOOKED_AT).date(),
        """select connection, before, started_at from (
               select connection, started_at, _interval_seconds,
                      lag(started_at) over (partition by connection order by started_at) as before
               from landings
               where source_name = $source and table_name = $table and error is null and started_at > $since)
           where started_at - before > to_seconds($rounds * _interval_seconds)
           order by all""",
        {"source": table.source, "table": table.name, "since": now - LOOKED_AT, "rounds": ROUNDS_OF_A_GAP},
    )
    return [Gap(*row) for row in rows]


def gone(lake: str | Path, table: Table) -> list[Gone]:
    """What the newest rounds of a connection list no longer, by the table's key."""
    folder = Path(lake, table.source, table.name)
    newest = max(
        (day.name for day in folder.glob("connection=*/dt=*") if any(day.glob("*.parquet"))), default=""
    )
    if newest <= "dt=1970-01-01":
        return []
    since = datetime.fromisoformat(newest.removeprefix("dt=")).replace(tzinfo=UTC) - KNOWN_FOR
    query = f"""
        with seen as (
            select connection, "{table.key[0]}" as name, max(_fetched_at) as last_seen
            from read_parquet($files, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)
            group by all
        )
        select connection, name, last_seen from (
            select *, max(last_seen) over (partition by connection) as newest from seen)
        where newest - last_seen > to_seconds($gone)
        order by all"""  # noqa: S608  a contract's own name
    return [
        Gone(*row) for row in landings.read(folder, since.date(), query, {"gone": GONE_AFTER.total_seconds()})
    ]


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
