"""Records, places and connections made up from what a source declares, so that a rule needs to know no source."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from pydantic import SecretStr

from pipelines.lib.answer import Answer, Page
from pipelines.lib.contract import Table
from pipelines.settings import Connection

ASKED_AT = datetime(2026, 3, 3, 8, tzinfo=UTC)
SECRET = "a-secret-that-nobody-may-read"


def record(table: Table) -> bytes:
    """The least that the contract takes as a record."""
    return json.dumps(_members(table.record, only_required=True)).encode()


def full_record(table: Table) -> bytes:
    """A record with everything that the contract names."""
    return json.dumps(_members(table.record, only_required=False)).encode()


def place(table: Table) -> msgspec.Struct | None:
    """Something that only the request knew."""
    return (
        table.place(**_members(table.place, only_required=True, by_attribute=True)) if table.place else None
    )


def answer(table: Table, hour: int = 0, *, is_full: bool = False) -> Answer:
    """A complete answer with one record."""
    made = full_record(table) if is_full else record(table)

    async def pages(said: Answer):
        yield Page([made], ASKED_AT + timedelta(hours=hour), place(table))
        said.complete = True

    return Answer(pages, ASKED_AT + timedelta(hours=hour))


def connection(kind: str) -> Connection:
    """A connection of the kind, whose every secret is the same and whose servers are nowhere."""
    (model,) = [each for each in Connection.__subclasses__() if each.kind == kind]
    values: dict[str, Any] = {"name": "made_up"}
    for name, field in model.model_fields.items():
        if field.annotation is SecretStr:
            values[name] = SecretStr(SECRET)
        elif name == "url" or name.endswith("_url"):
            values[name] = "http://127.0.0.1:9"
        elif field.is_required() and name != "name":
            values[name] = ["1"]
    return model(**values)


def _members(
    struct: type[msgspec.Struct], *, only_required: bool, by_attribute: bool = False
) -> dict[str, Any]:
    fields = msgspec.inspect.type_info(struct).fields
    return {
        field.name if by_attribute else field.encode_name: _value(field.type, only_required)
        for field in fields
        if field.required or not only_required
    }


def _value(hint: msgspec.inspect.Type, only_required: bool) -> Any:
    while isinstance(hint, msgspec.inspect.Metadata):
        hint = hint.type
    match hint:
        case msgspec.inspect.UnionType():
            return _value(hint.types[0], only_required)
        case msgspec.inspect.StructType():
            return _members(hint.cls, only_required=only_required)
        case msgspec.inspect.ListType():
            return [_value(hint.item_type, only_required)]
        case msgspec.inspect.BoolType():
            return True
        case msgspec.inspect.IntType():
            return 1
        case msgspec.inspect.RawType():
            return {"made": "up"}
        case _:
            return "made-up"
