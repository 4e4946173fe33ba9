"""What one process can do at best: it downloads the same pages, parses them with `pyarrow.json`, and writes zstd Parquet.

It is told how many pages there are, so that it can ask for eight at a time. It checks nothing, keeps no vendor's
bytes, knows no key, has no second table, and cannot be asked again. Once as such a script is written, and once with
all that we know of making it faster.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
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
_ONE_BLOCK = pj.ReadOptions(block_size=256 << 20)


def executions(url: str, folder: Path, count: int) -> int:
    """Writes the day, a file for each page as it comes; the number of test executions in the files."""
    return asyncio.run(_page_by_page(url, folder, count))


def executions_tuned(url: str, folder: Path, count: int) -> int:
    """The same by aiohttp, which takes less CPU than httpx, and a thread that writes a file for every few pages."""
    return asyncio.run(_by_many(url, folder, count))


async def _page_by_page(url: str, folder: Path, count: int) -> int:
    slots = asyncio.Semaphore(_IN_FLIGHT)
    async with httpx.AsyncClient(trust_env=False) as client:

        async def written(question: dict[str, int]) -> int:
            async with slots:
                body = (await client.get(url + EXPORT, params=question)).content
            return _write([body], folder / f"{question['_page']}.parquet")

        return sum(await asyncio.gather(*map(written, _questions(count))))


async def _by_many(url: str, folder: Path, count: int) -> int:
    questions, names = _questions(count), counted()
    slots = asyncio.Semaphore(_IN_FLIGHT)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as worker:
        async with aiohttp.ClientSession() as client:

            async def body(question: dict[str, int]) -> bytes:
                async with slots, client.get(url + EXPORT, params=question) as answer:
                    return await answer.read()

            async def written(some: Sequence[dict[str, int]]) -> int:
                bodies = await asyncio.gather(*map(body, some))
                return await loop.run_in_executor(worker, _write, bodies, folder / f"{next(names)}.parquet")

            groups = [
                questions[at : at + _PAGES_PER_FILE] for at in range(0, len(questions), _PAGES_PER_FILE)
            ]
            return sum(await asyncio.gather(*map(written, groups)))


def _questions(count: int) -> list[dict[str, int]]:
    start, end = (round(moment.timestamp() * 1000) for moment in window())
    bounds = {"startExecutionTime[0]": start, "endExecutionTime[0]": end - 1}
    return [{**bounds, "_page": page} for page in range(1, 1 - (-count // PAGE_SIZE))]


def _write(bodies: Sequence[bytes], file: Path) -> int:
    table = pj.read_json(io.BytesIO(b"\n".join(bodies)), _ONE_BLOCK)
    records = pa.Table.from_struct_array(table["resources"].combine_chunks().flatten())
    pq.write_table(records, file, compression="zstd")
    return records.num_rows
