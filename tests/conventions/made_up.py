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
    return json.dumps(_required(table.record)).encode()


def place(table: Table) -> msgspec.Struct | None:
    """Something that only the request knew."""
    return table.place(**_required(table.place, by_attribute=True)) if table.place else None


def answer(table: Table, hour: int = 0) -> Answer:
    """A complete answer with one record."""

    async def pages(said: Answer):
        yield Page([record(table)], ASKED_AT + timedelta(hours=hour), place(table))
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


def _required(struct: type[msgspec.Struct], *, by_attribute: bool = False) -> dict[str, Any]:
    fields = msgspec.inspect.type_info(struct).fields
    return {
        field.name if by_attribute else field.encode_name: _value(field.type)
        for field in fields
        if field.required
    }


def _value(hint: msgspec.inspect.Type) -> Any:
    while isinstance(hint, msgspec.inspect.Metadata):
        hint = hint.type
    if isinstance(hint, msgspec.inspect.UnionType):
        hint = hint.types[0]
        return _value(hint)
    if isinstance(hint, msgspec.inspect.IntType):
        return 1
    return "made-up"
