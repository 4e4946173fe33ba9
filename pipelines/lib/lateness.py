"""What is late, missing or gone, as the lake's own data tells it; each finding says what to do about it.

By data: a table is as fresh as what its landings can tell of, not as the last time that something ran. A backfill of
old days makes nothing fresher.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipelines.lib import landings
from pipelines.lib.answer import NOBODY_ASKED
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
    failed_at: datetime | None = None  # the last attempt to know more, if there was one
    error: str | None = None

    @property
    def key(self) -> str:
        """The same as long as this one lasts."""
        return f"{self.connection} {self.known_until}"

    def __str__(self) -> str:
        since = f"nothing is known after {_shown(self.known_until)}" if self.known_until else "was never read"
        if self.failed_at:
            return (
                f"{self.connection}: {since}; the last attempt, {_shown(self.failed_at)}, failed: {self.error}. "
                "`flakehouse doctor` asks it now"
            )
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


@dataclass(frozen=True)
class AllGone:
    """Everything that a connection's rounds listed, at once: the lab is hardly empty, but no longer shown to us."""

    connection: str
    things: str
    count: int
    last_seen: datetime

    @property
    def key(self) -> str:
        return f"{self.connection} all {self.last_seen}"

    def __str__(self) -> str:
        return (
            f"{self.connection}: all {self.count} {self.things} vanished after {_shown(self.last_seen)}, rounds since "
            "list none. Check the rights of the connection's token, then ask whoever keeps the lab"
        )


Found = Late | Gap | Gone | AllGone


def late(lake: str | Path, table: Table, read_every: Mapping[str, timedelta], now: datetime) -> list[Late]:
    """Connections of which the table is late; `read_every`: how often each one's days are read."""
    known = _known(lake, table, now.date() - KNOWN_FOR)
    if any(name not in known or known[name].until is None for name in read_every):
        known = _known(lake, table, date.min)  # whatever lasts long stays the same finding
    found = []
    for connection, every in read_every.items():
        it = known.get(connection, _Known())
        if NOBODY_ASKED in it.note:
            continue
        interval = every if table.kind == "window" else timedelta(seconds=it.interval_seconds)
        if it.until is None or now - it.until > max(ROUNDS_LATE * interval, LEAST_LATE):
            found.append(Late(connection, it.until, it.failed_at, it.error))
    return found


@dataclass(frozen=True)
class _Known:
    """What the landings of a connection's table since some day tell of it."""

    until: datetime | None = None
    failed_at: datetime | None = None
    error: str | None = None
    interval_seconds: int = 0
    note: str = ""


def _known(lake: str | Path, table: Table, since: date) -> dict[str, _Known]:
    # Of a failed attempt that could have told no more than is known, nothing is to be said. Those that could have are
    # all later than what is known, and `arg_max` passes over those without an error.
    rows = landings.rows(
        lake,
        since,
        """select connection,
                  known_until,
                  max(started_at) filter (error is not null and tells_more),
                  arg_max(error, started_at) filter (tells_more),
                  arg_max(coalesce(_interval_seconds, 0), started_at),
                  arg_max(coalesce(note, ''), started_at)
           from (
               select *, known_until is null or until > known_until as tells_more
               from (
                   select *, max(until) filter (error is null and note is distinct from $only_changes)
                                 over (partition by connection) as known_until
                   from (
                       select *, least(started_at, coalesce(cast(day as date) + 1, started_at)::timestamptz) as until
                       from landings where source_name = $source and table_name = $table)))
           group by all""",
        {"source": table.source, "table": table.name, "only_changes": ONLY_CHANGES},
    )
    return {connection: _Known(*facts) for connection, *facts in rows}


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


def gone(lake: str | Path, table: Table, now: datetime) -> list[Gone | AllGone]:
    """What the newest round of a connection lists no longer, by the table's key.

    A round that lists nothing leaves no file in the table, so our own runs say when it was made. One that is not
    complete, or of which nothing could be kept, does not tell what is gone.
    """
    since = (now - KNOWN_FOR).date()
    rounds = landings.rows(
        lake,
        since,
        """select connection, max(started_at) from landings
           where source_name = $source and table_name = $table and error is null and is_complete
               and ("rows" > 0 or coalesce(rejected, 0) = 0)
           group by all order by all""",
        {"source": table.source, "table": table.name},
    )
    query = f"""
        select connection, "{table.key[0]}", max(_fetched_at)
        from read_parquet($files, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)
        group by all order by all"""  # noqa: S608  a contract's own name
    seen: dict[str, dict[str, datetime]] = {}
    for connection, name, last_seen in landings.read(Path(lake, table.source, table.name), since, query):
        seen.setdefault(connection, {})[name] = last_seen
    found: list[Gone | AllGone] = []
    for connection, newest in rounds:
        listed = seen.get(connection, {})
        missing = {name: at for name, at in listed.items() if newest - at > GONE_AFTER}
        if len(missing) == len(listed) > 1:
            last = max(missing.values())
            singly = {name: at for name, at in missing.items() if last - at > GONE_AFTER}
            if len(missing) - len(singly) > 1:
                found.append(AllGone(connection, table.name, len(missing) - len(singly), last))
                missing = singly
        found += [Gone(connection, name, at) for name, at in missing.items()]
    return found


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
