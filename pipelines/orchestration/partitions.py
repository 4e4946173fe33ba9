"""How tables are cut: a window table by UTC day and connection, a point-in-time table by connection."""

from __future__ import annotations

from datetime import date

import dagster as dg

FIRST_DAY = date(2018, 1, 1)
"""No vendor keeps tests from before; recorded histories that are replayed start in 2020."""

# One day past the last complete one: today is a partition, and grows until midnight UTC.
DAYS = dg.DailyPartitionsDefinition(FIRST_DAY.isoformat(), end_offset=1)


PARTITION_TAG = "dagster/partition"
CONNECTION_TAG = f"{PARTITION_TAG}/connection"
"""On runs of a partition, by Dagster: which; and on those of a day, its connection."""


def connections(kind: str) -> dg.DynamicPartitionsDefinition:
    """One partition per configured connection of a kind (`perfecto`, ...), registered as they appear."""
    return dg.DynamicPartitionsDefinition(name=kind)


def days_and_connections(kind: str) -> dg.MultiPartitionsDefinition:
    return dg.MultiPartitionsDefinition({"day": DAYS, "connection": connections(kind)})


def key(day: date, connection: str) -> dg.MultiPartitionKey:
    return dg.MultiPartitionKey({"day": day.isoformat(), "connection": connection})
