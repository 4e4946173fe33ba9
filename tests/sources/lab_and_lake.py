"""Connections to a lab, what an answer becomes in a lake, and what the lake then holds."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.lib import http, landing
from pipelines.lib.answer import Answer
from pipelines.lib.clock import Clock
from pipelines.lib.contract import Table
from pipelines.lib.http import Http, Question, Reply
from pipelines.lib.landing import Landed
from pipelines.settings import Connection, parse_connections
from simlab.server import Lab

Row = dict[str, Any]
OpenClient = Callable[..., AbstractAsyncContextManager[Any]]


def connection_to(lab: Lab, name: str, **changes: object) -> Any:
    """A connection to one server of the lab, as the lab itself would write it, with these keys changed."""
    document = tomllib.loads(lab.connections_toml)
    for section in document.values():
        if name in section:
            section[name] |= changes
    return parse_connections(document, {}, "the lab").all[name]


def clock_of(lab: Lab) -> Clock:
    """The lab's clock, for a client."""
    return lambda: datetime.fromtimestamp(lab.clock.now() / 1000, UTC)


def failing(patch: pytest.MonkeyPatch, part: str, status: int = 500, body: bytes = b"") -> None:
    """The server answers this wherever an address has this part, and nobody waits long between tries."""
    sent = Http._sent

    async def sent_or_failed(self: Http, question: Question) -> Reply:
        return Reply(status, {}, body) if part in question.url else await sent(self, question)

    patch.setattr(Http, "_sent", sent_or_failed)
    patch.setattr(http, "_FIRST_WAIT", 0.001)
    patch.setattr(http, "_JITTER", 0.001)


def asked(
    lab: Lab, client: OpenClient, connection: Connection, question: Callable[[Any], Answer]
) -> list[bytes]:
    """All records of an answer, as they come from the client."""

    async def ask() -> list[bytes]:
        async with client(connection, clock_of(lab)) as source:
            answer = question(source)
            return [bytes(record) async for page in answer.pages(answer) for record in page.records]

    return asyncio.run(ask())


def merged(
    lab: Lab,
    client: OpenClient,
    connection: Connection,
    table: Table,
    day: date,
    question: Callable[[Any], Answer],
    lake: Path,
) -> Landed:
    """Lands an answer about a day."""

    async def land() -> Landed:
        async with client(connection, clock_of(lab)) as source:
            landed = await landing.merge(lake, table, connection.name, day, question(source))
            return landed[table.name]

    return asyncio.run(land())


def appended(
    lab: Lab,
    client: OpenClient,
    connection: Connection,
    table: Table,
    question: Callable[[Any], Answer],
    lake: Path,
) -> Landed:
    """Lands one observation; rounds are 300 seconds apart."""

    async def land() -> Landed:
        async with client(connection, clock_of(lab)) as source:
            landed = await landing.append(lake, table, connection.name, question(source), 300)
            return landed[table.name]

    return asyncio.run(land())


def held(lake: Path, table: Table, order: str | None = None) -> list[Row]:
    """The table's rows in the lake, with `connection` and `dt`."""
    files = str(lake / table.source / table.name / "**" / "*.parquet")
    keys = order or ", ".join(f'"{key}"' for key in table.key)
    with duckdb.connect(":memory:") as database:
        database.execute("set timezone = 'UTC'")
        rows = database.execute(
            f"""select * from read_parquet($files, hive_partitioning = true, hive_types_autocast = false,
                union_by_name = true) order by {keys}""",
            {"files": files},
        )
        names = [column[0] for column in rows.description]
        return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]


def everything_written(lake: Path) -> str:
    """Every value of every Parquet file below the folder, as text: what a search for a secret must look through."""
    texts = []
    with duckdb.connect(":memory:") as database:
        for file in sorted(lake.rglob("*.parquet")):
            rows = database.execute("select * from read_parquet($file)", {"file": str(file)}).fetchall()
            texts.append(f"{file} {rows}")
    return "\n".join(texts)
