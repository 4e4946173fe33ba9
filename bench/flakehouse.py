"""This pipeline: a source's client and the landing, as an asset runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import measuring
from bench.pages import DAY, window
from pipelines.defs.sources.perfecto_reporting import contract
from pipelines.defs.sources.perfecto_reporting.client import PerfectoReporting, Test, client
from pipelines.lib import landing
from pipelines.lib.answer import Answer
from pipelines.lib.contract import Table
from pipelines.settings import parse_connections

IN_FLIGHT = 16


def executions(url: str, folder: Path, _count: int) -> int:
    """Lands the day; the number of test executions that the lake then holds."""
    asyncio.run(_land(url, folder, contract.TEST_EXECUTIONS, lambda s: s.test_executions(*window())))
    return measuring.distinct(folder / contract.SOURCE / "test_executions" / "connection=acme", "id")


def commands(url: str, folder: Path, ids: Sequence[str]) -> int:
    """Lands the commands of these tests; the number of tests that the lake then holds."""
    tests = [Test(test, "PASSED/1") for test in ids]
    asyncio.run(_land(url, folder, contract.COMMANDS, lambda source: source.commands(tests)))
    return measuring.distinct(folder / contract.SOURCE / "commands" / "connection=acme", "test_execution_id")


async def _land(
    url: str, folder: Path, table: Table, question: Callable[[PerfectoReporting], Answer]
) -> None:
    document = {"perfecto": {"acme": {"app_url": url, "token": "of-the-bench", "max_in_flight": IN_FLIGHT}}}
    connection = parse_connections(document, {}, "the bench").all["acme"]
    async with client(connection) as source:
        await landing.merge(folder, table, connection.name, DAY, question(source))
