"""What one process can do at best: it downloads the same pages, parses them with `pyarrow.json`, and writes zstd Parquet.

It is told how many pages there are, so that it can ask for eight at a time; one thread writes a file for every few. It
checks nothing, keeps no vendor's bytes, knows no key, has no second table, and cannot be asked again. It comes with
httpx, as scripts of this kind are written, and with aiohttp, which this pipeline asks with and which takes less CPU.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count as counted
from pathlib import Path

import aiohttp
import httpx
import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from bench.page_server import EXPORT
from bench.pages import PAGE_SIZE, window

_IN_FLIGHT = 8
_PAGES_PER_FILE = 20
_Question = Mapping[str, int]
_ONE_BLOCK = pj.ReadOptions(block_size=256 << 20)


def executions(url: str, folder: Path, count: int) -> int:
    """Writes the day, asked for with httpx; the number of test executions in the files."""
    return asyncio.run(_with_httpx(url, folder, count))


def executions_by_aiohttp(url: str, folder: Path, count: int) -> int:
    """Writes the day, asked for with aiohttp; the number of test executions in the files."""
    return asyncio.run(_with_aiohttp(url, folder, count))


async def _with_httpx(url: str, folder: Path, count: int) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:

        async def body(question: _Question) -> bytes:
            return (await client.get(url + EXPORT, params=question)).content

        return await _written(body, folder, count)


async def _with_aiohttp(url: str, folder: Path, count: int) -> int:
    async with aiohttp.ClientSession() as client:

        async def body(question: _Question) -> bytes:
            async with client.get(url + EXPORT, params=question) as answer:
                return await answer.read()

        return await _written(body, folder, count)


async def _written(body: Callable[[_Question], Awaitable[bytes]], folder: Path, count: int) -> int:
    start, end = (round(moment.timestamp() * 1000) for moment in window())
    bounds = {"startExecutionTime[0]": start, "endExecutionTime[0]": end - 1}
    questions = [{**bounds, "_page": page} for page in range(1, 1 - (-count // PAGE_SIZE))]
    slots = asyncio.Semaphore(_IN_FLIGHT)
    loop = asyncio.get_running_loop()
    names = counted()
    with ThreadPoolExecutor(1) as worker:

        async def asked(question: _Question) -> bytes:
            async with slots:
                return await body(question)

        async def write(some: Sequence[_Question]) -> int:
            bodies = await asyncio.gather(*map(asked, some))
            return await loop.run_in_executor(worker, _write, bodies, folder / f"{next(names)}.parquet")

        groups = [questions[at : at + _PAGES_PER_FILE] for at in range(0, len(questions), _PAGES_PER_FILE)]
        return sum(await asyncio.gather(*map(write, groups)))


def _write(bodies: Sequence[bytes], file: Path) -> int:
    table = pj.read_json(io.BytesIO(b"\n".join(bodies)), _ONE_BLOCK)
    records = pa.Table.from_struct_array(table["resources"].combine_chunks().flatten())
    pq.write_table(records, file, compression="zstd")
    return records.num_rows
