"""What a source's records look like, declared once as msgspec Structs: types, key, columns, redactions.

A Struct's attributes are the table's columns (nested Structs are flattened with `_`); msgspec's renaming gives the
vendor's spelling. The annotations below say how a value becomes a column where its JSON type does not.
"""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
import pyarrow as pa

from pipelines.lib import columns
from pipelines.lib.redaction import Redaction

Key = Annotated[str, msgspec.Meta(min_length=1)]
Guid = Annotated[str | None, msgspec.Meta(extra={"column": "guid"})]
GuidKey = Annotated[str, msgspec.Meta(min_length=1, extra={"column": "guid"})]
"""Lower-cased: one server shows the same GUID in both cases."""

EpochMillis = Annotated[int | float | str | None, msgspec.Meta(extra={"column": "epoch_millis"})]
ExpectedEpochMillis = Annotated[
    int | float | str | None, msgspec.Meta(extra={"column": "epoch_millis", "expected": True})
]
Instant = Annotated[str | None, msgspec.Meta(extra={"column": "instant"})]
ExpectedInstant = Annotated[str | None, msgspec.Meta(extra={"column": "instant", "expected": True})]
"""ISO 8601 text; without an offset it is read as UTC. `Expected...`: flagged where absent."""

Integer = Annotated[int | float | str | None, msgspec.Meta(extra={"column": "integer"})]
"""A whole number, as such or in digits; anything else is flagged `<column>_not_integer` and null."""
IntegerNotText = Annotated[
    int | float | str | None, msgspec.Meta(extra={"column": "integer", "is_text_odd": True})
]
"""An `Integer` that the vendor documents as a number: digits in quotes are read, and flagged."""

Boolean = Annotated[bool | str | None, msgspec.Meta(extra={"column": "boolean"})]
"""True or false, as such or in words; an empty text is null, anything else is flagged `<column>_not_boolean`."""

JsonText = msgspec.Raw
RawOnly = Annotated[msgspec.Raw, msgspec.Meta(extra={"column": "none"})]
"""Declared, so that it is no news, but kept in `_raw` only."""
ABSENT = msgspec.Raw(b"")
Children = Annotated[list[msgspec.Raw] | None, msgspec.Meta(extra={"column": "none"})]
"""Records of another table: no column here, and one of them that cannot be typed does not reject its parent."""


class Row(NamedTuple):
    """One row to be: the vendor's bytes, what is known besides, and the typed record where it is known already.

    `undeclared` are fields around it that no contract names.
    """

    raw: bytes | msgspec.Raw | None
    place: msgspec.Struct | None
    record: msgspec.Struct | None = None
    undeclared: Sequence[str] = ()


class Reject(NamedTuple):
    """Bytes that could not be keyed or typed, and why."""

    raw: bytes | msgspec.Raw
    place: msgspec.Struct | None
    error: str


@dataclass(frozen=True)
class Child:
    """A table whose records lie in a list of its parent's record."""

    table: Table
    attribute: str
    place: Callable[[Any, int], msgspec.Struct]


@dataclass(frozen=True)
class Table:
    """One dataset of the lake: its records' type, its key, and how repeated answers merge."""

    source: str
    name: str
    kind: Literal["window", "snapshot"]
    description: str
    record: type[msgspec.Struct]
    key: tuple[str, ...]
    redaction: Redaction
    place: type[msgspec.Struct] | None = None
    newest_by: str | None = None  # of two records with one key in an answer, the greater one stays
    day_of: str | None = None  # the column whose UTC day is the partition
    periods: tuple[tuple[str, str, str], ...] = ()  # (start, end, flag where the end is before the start)
    parent: str | None = None  # the column that names the parent record
    asked_by_parent: bool = (
        False  # each page is the whole answer on one parent, and is kept as soon as it came
    )
    nested: tuple[Child, ...] = ()
    unfold: Callable[[Sequence[bytes], msgspec.Struct | None], Iterable[Row | Reject]] | None = None

    @cached_property
    def place_columns(self) -> columns.Columns | None:
        return columns.Columns(self.place) if self.place else None

    @cached_property
    def record_columns(self) -> columns.Columns:
        return columns.Columns(self.record)

    @cached_property
    def place_fields(self) -> list[pa.Field]:
        return self.place_columns.fields if self.place_columns else []

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns of the Parquet files; `connection` and `dt` come from the path."""
        common = [
            pa.field("_raw", pa.string()),
            pa.field("_fetched_at", columns.TIMESTAMP),
            pa.field("_issues", pa.list_(pa.field("element", pa.string()))),
            pa.field("_missing_since", columns.TIMESTAMP)
            if self.kind == "window"
            else pa.field("_interval_seconds", pa.int64()),
        ]
        return pa.schema([*self.place_fields, *self.record_columns.fields, *common])

    @cached_property
    def decoder(self) -> msgspec.json.Decoder:
        return msgspec.json.Decoder(self.record)

    @cached_property
    def strict_decoder(self) -> msgspec.json.Decoder:
        """Refuses a field that nobody declared."""
        return msgspec.json.Decoder(_forbidding(self.record))

    @property
    def children(self) -> tuple[Table, ...]:
        """Tables that land with this one."""
        return tuple(child.table for child in self.nested)

    @property
    def tables(self) -> tuple[Table, ...]:
        """This table, then its children."""
        return (self, *self.children)

    def undeclared(self, raw: bytes | msgspec.Raw) -> Iterator[str]:
        """Paths of the fields of this record that the contract does not name."""
        yield from _undeclared(msgspec.json.decode(raw), self.record, "")


REJECTED_SCHEMA = pa.schema(
    [
        pa.field("_raw", pa.string()),
        pa.field("error", pa.string()),
        pa.field("_place", pa.string()),  # JSON of what only the request or the parent knew
        pa.field("_parent", pa.string()),
        pa.field("_key", pa.string()),  # JSON list of the key, where it could be read
        pa.field("_fetched_at", columns.TIMESTAMP),
    ]
)


def _forbidding(struct: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The same Struct, nested ones included, that refuses unknown fields; attributes are the same."""
    members: list[tuple[str, Any, Any]] = []
    for member in msgspec.structs.fields(struct):
        if member.default_factory is not msgspec.NODEFAULT:
            spec = msgspec.field(name=member.encode_name, default_factory=member.default_factory)
        else:
            spec = msgspec.field(name=member.encode_name, default=member.default)
        members.append((member.name, _with_structs_forbidding(member.type), spec))
    return msgspec.defstruct(struct.__name__, members, forbid_unknown_fields=True, gc=False, kw_only=True)


def _with_structs_forbidding(hint: Any) -> Any:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _forbidding(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[(_with_structs_forbidding(arguments[0]), *arguments[1:])]
    if origin in (Union, types.UnionType):
        return functools.reduce(operator.or_, map(_with_structs_forbidding, arguments))
    if origin is list:
        return list[_with_structs_forbidding(arguments[0])]
    return hint


def _undeclared(value: Any, hint: Any, path: str) -> Iterator[str]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        if isinstance(value, dict):
            declared = {member.encode_name: member.type for member in msgspec.structs.fields(hint)}
            for name, inner in value.items():
                place = f"{path}.{name}" if path else name
                if name in declared:
                    yield from _undeclared(inner, declared[name], place)
                else:
                    yield place
        return
    origin = get_origin(hint)
    if origin is Annotated:
        yield from _undeclared(value, get_args(hint)[0], path)
    elif origin in (Union, types.UnionType):
        for argument in get_args(hint):
            yield from _undeclared(value, argument, path)
    elif origin is list and isinstance(value, list):
        for item in value:
            yield from _undeclared(item, get_args(hint)[0], f"{path}[]")
