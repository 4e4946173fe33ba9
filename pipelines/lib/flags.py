"""Quality flags: what is odd about a row, by name, in `_issues`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from pipelines.lib.contract import Table

NOT_AVAILABLE = "not_available"  # flag of a row that says: the source has nothing (any more) on this parent


@dataclass(slots=True)
class Flags:
    """Which rows of a batch carry which quality flag."""

    rows: int
    sane_until: datetime  # the end of tomorrow, as seen when the batch was fetched
    masks: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, name: str, mask: np.ndarray) -> None:
        if mask.any():
            self.masks[name] = self.masks[name] | mask if name in self.masks else mask

    def as_array(self) -> pa.Array:
        """One list of flag names per row, in the order in which they were declared."""
        counts = np.zeros(self.rows, dtype=np.int32)
        for mask in self.masks.values():
            counts += mask
        offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
        values = np.empty(int(offsets[-1]), dtype=object)
        filled = offsets[:-1].copy()
        for name, mask in self.masks.items():
            values[filled[mask]] = name
            filled[mask] += 1
        items = pa.array(values, pa.string())
        return pa.ListArray.from_arrays(
            pa.array(offsets), items, type=pa.list_(pa.field("element", pa.string()))
        )


def sane_until(fetched_at: datetime, day: date | None) -> datetime:
    """The end of tomorrow, as seen when a record was fetched."""
    return _midnight(max(fetched_at.date(), day or date.min)) + timedelta(days=2)


def flag_times(table: Table, day: date | None, arrays: dict[str, pa.Array], flags: Flags) -> None:
    """Flags what only two columns, or a column and the day, show."""

    def micros(name: str) -> tuple[np.ndarray, np.ndarray]:
        array = arrays[name].cast(pa.int64())
        return array.fill_null(0).to_numpy(), array.is_valid().to_numpy(zero_copy_only=False)

    for start, end, flag in table.periods:
        (starts, has_start), (ends, has_end) = micros(start), micros(end)
        flags.add(flag, has_start & has_end & (ends < starts))
    if table.day_of and day:
        times, has_time = micros(table.day_of)
        first = int(_midnight(day).timestamp() * 1e6)
        stem = table.day_of.removesuffix("_time").removesuffix("_at")
        flags.add(f"{stem}_outside_day", has_time & ((times < first) | (times >= first + 86_400_000_000)))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
