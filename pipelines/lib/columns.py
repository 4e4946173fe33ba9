"""Typed records to Arrow columns: one getter per column, compiled once from the Struct, run over many records.

Types are explicit, so that no batch depends on what happens to be in it. A value that is suspect becomes null (the
vendor's word stays in `_raw`) and raises a flag; times that are not sane keep their number in `<column>_number`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from pipelines.lib.flags import Flags

TIMESTAMP = pa.timestamp("us", tz="UTC")
_FIRST_SANE = datetime(2000, 1, 1, tzinfo=UTC)
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class _Part:
    fields: list[pa.Field]
    build: Callable[[Sequence[Any], Flags], list[pa.Array]]


class Columns:
    """The columns of one Struct type."""

    def __init__(self, struct: type[msgspec.Struct]) -> None:
        self._parts = list(_parts(msgspec.inspect.type_info(struct), ""))
        self.fields = [f for part in self._parts for f in part.fields]

    def arrays(self, records: Sequence[msgspec.Struct], flags: Flags) -> list[pa.Array]:
        """One array per field, for these records."""
        return [array for part in self._parts for array in part.build(records, flags)]


def _parts(struct: msgspec.inspect.StructType, prefix: str) -> list[_Part]:
    parts = []
    for member in struct.fields:
        part = _part(member.name, member.type, f"{prefix}{member.name}")
        if part is not None:
            parts.append(part)
    return parts


def _part(attribute: str, hint: msgspec.inspect.Type, name: str) -> _Part | None:
    get = attrgetter(attribute)
    hint, extra = _bare(hint)
    kind = extra.get("column")
    if kind == "none":
        return None
    if kind in ("epoch_millis", "instant"):
        return _time_part(get, name, kind, expected=extra.get("expected", False))
    if kind == "integer":
        return _integer_part(get, name, is_text_odd=extra.get("is_text_odd", False))
    if kind == "boolean":
        return _boolean_part(get, name)
    if kind == "guid":
        return _plain_part(
            lambda record: None if (v := get(record)) is None else v.lower(), name, pa.string()
        )
    if isinstance(hint, msgspec.inspect.StructType):
        return _nested_part(get, hint, name)
    if isinstance(hint, msgspec.inspect.ListType):
        item, _ = _bare(hint.item_type)
        if isinstance(item, msgspec.inspect.StructType):
            return _list_part(get, item, name)
        return _plain_part(get, name, pa.list_(pa.field("element", _ARROW[type(item)])))
    if isinstance(hint, msgspec.inspect.RawType):
        return _plain_part(lambda record: _json_text(get(record)), name, pa.string())
    return _plain_part(get, name, _ARROW[type(hint)])


_ARROW: dict[type, pa.DataType] = {
    msgspec.inspect.StrType: pa.string(),
    msgspec.inspect.IntType: pa.int64(),
    msgspec.inspect.FloatType: pa.float64(),
    msgspec.inspect.BoolType: pa.bool_(),
}


def _bare(hint: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, dict[str, Any]]:
    """The type without its null and its annotation, and what the annotation says."""
    extra: dict[str, Any] = {}
    while True:
        if isinstance(hint, msgspec.inspect.Metadata):
            extra |= hint.extra or {}
            hint = hint.type
            continue
        if isinstance(hint, msgspec.inspect.UnionType):
            others = [t for t in hint.types if not isinstance(t, msgspec.inspect.NoneType)]
            if len(others) == 1:
                hint = others[0]
                continue
        return hint, extra


def _plain_part(get: Callable[[Any], Any], name: str, arrow: pa.DataType) -> _Part:
    def build(records: Sequence[Any], _flags: Flags) -> list[pa.Array]:
        return [pa.array(list(map(get, records)), arrow)]

    return _Part([pa.field(name, arrow)], build)


def _nested_part(get: Callable[[Any], Any], struct: msgspec.inspect.StructType, name: str) -> _Part:
    """An object becomes columns `<name>_<member>`; an absent one leaves them null."""
    inner = _parts(struct, f"{name}_")
    absent = struct.cls()

    def build(records: Sequence[Any], flags: Flags) -> list[pa.Array]:
        objects = [absent if value is None else value for value in map(get, records)]
        return [array for part in inner for array in part.build(objects, flags)]

    return _Part([f for part in inner for f in part.fields], build)


def _list_part(get: Callable[[Any], Any], struct: msgspec.inspect.StructType, name: str) -> _Part:
    """A list of objects becomes one list<struct> column; absent and empty stay apart."""
    inner = _parts(struct, "")
    fields = [f for part in inner for f in part.fields]
    arrow = pa.list_(pa.field("element", pa.struct(fields)))

    def build(records: Sequence[Any], flags: Flags) -> list[pa.Array]:
        lists = list(map(get, records))
        counts = np.fromiter((len(v) if v else 0 for v in lists), np.int32, len(lists))
        items = [item for value in lists if value for item in value]
        arrays = [array for part in inner for array in part.build(items, Flags(len(items), flags.sane_until))]
        offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
        absent = np.fromiter((v is None for v in lists), np.bool_, len(lists))
        structs = pa.StructArray.from_arrays(arrays, fields=fields)
        return [pa.ListArray.from_arrays(pa.array(offsets), structs, type=arrow, mask=pa.array(absent))]

    return _Part([pa.field(name, arrow)], build)


def _integer_part(get: Callable[[Any], Any], name: str, *, is_text_odd: bool) -> _Part:
    def build(records: Sequence[Any], flags: Flags) -> list[pa.Array]:
        values = list(map(get, records))
        numbers, odd = _whole_numbers(values)
        if is_text_odd:
            odd = odd | np.fromiter((isinstance(value, str) for value in values), bool, len(values))
        flags.add(f"{name}_not_integer", odd)
        return [numbers]

    return _Part([pa.field(name, pa.int64())], build)


def _boolean_part(get: Callable[[Any], Any], name: str) -> _Part:
    def build(records: Sequence[Any], flags: Flags) -> list[pa.Array]:
        values = list(map(get, records))
        read = [_TRUTH.get(v.strip().lower()) if isinstance(v, str) else v for v in values]
        odd = [r is None and bool(v) for r, v in zip(read, values, strict=True)]
        flags.add(f"{name}_not_boolean", np.array(odd, dtype=bool))
        return [pa.array(read, pa.bool_())]

    return _Part([pa.field(name, pa.bool_())], build)


_TRUTH = {"true": True, "false": False}


def _time_part(get: Callable[[Any], Any], name: str, kind: str, *, expected: bool) -> _Part:
    """`<name>` where the time is sane; for epoch milliseconds, the vendor's number beside it where it is not."""
    stem = name.removesuffix("_time").removesuffix("_at")
    first = int(_FIRST_SANE.timestamp() * 1e6)

    def build(records: Sequence[Any], flags: Flags) -> list[pa.Array]:
        values = list(map(get, records))
        if kind == "epoch_millis":
            numbers, odd = _whole_numbers(values)
            scale = 1000
        else:
            numbers, odd = _iso_micros(values)
            scale = 1
        given = numbers.is_valid().to_numpy(zero_copy_only=False)
        plain = numbers.fill_null(0).to_numpy()
        end = int(flags.sane_until.timestamp() * 1e6)
        sane = given & (plain >= first // scale) & (plain < end // scale)
        positive = given & (plain >= 1) if kind == "epoch_millis" else given
        if expected:
            flags.add(f"{stem}_missing", ~positive & ~odd)
        flags.add(f"{stem}_not_a_time", odd)
        flags.add(f"{stem}_out_of_range", positive & ~sane)
        micros = np.where(sane, plain, 0) * scale
        time = pa.array(micros, pa.int64(), mask=~sane).cast(TIMESTAMP)
        return [time, pa.array(plain, pa.int64(), mask=sane | ~given)] if kind == "epoch_millis" else [time]

    fields = [pa.field(name, TIMESTAMP)]
    if kind == "epoch_millis":
        fields.append(pa.field(f"{name}_number", pa.int64()))
    return _Part(fields, build)


def _whole_numbers(values: list[Any]) -> tuple[pa.Array, np.ndarray]:
    """The values as int64, null where they are none, and which of them were something else."""
    if set(map(type, values)) <= {int, type(None)}:
        try:
            return pa.array(values, pa.int64()), np.zeros(len(values), dtype=bool)
        except (OverflowError, pa.ArrowInvalid):
            pass  # one of them is beyond 64 bits
    read = [_whole_number(value) for value in values]
    odd = np.fromiter(
        (r is None and v is not None for r, v in zip(read, values, strict=True)), bool, len(values)
    )
    return pa.array(read, pa.int64()), odd


def _whole_number(value: Any) -> int | None:
    if isinstance(value, str):
        text = value.strip()
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
            return None
        value = int(text)
    elif isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    return value if isinstance(value, int) and value in _INT64 else None


def _iso_micros(values: list[str | None]) -> tuple[pa.Array, np.ndarray]:
    read = [_micros(value) for value in values]
    odd = np.fromiter((r is None and bool(v) for r, v in zip(read, values, strict=True)), bool, len(values))
    return pa.array(read, pa.int64()), odd


def _micros(value: str | None) -> int | None:
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    days, rest = divmod(moment - datetime(1970, 1, 1, tzinfo=UTC), _DAY)
    return days * 86_400_000_000 + rest.seconds * 1_000_000 + rest.microseconds


_DAY = datetime(1970, 1, 2, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)


def _json_text(value: msgspec.Raw | None) -> str | None:
    text = bytes(value).decode() if value is not None else ""
    return None if text in ("", "null") else text
