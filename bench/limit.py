"""What one process can do at best: it downloads the same pages, parses them with `pyarrow.json`, and writes zstd Parquet.

It is told how many pages there are, so that it can ask for eight at a time; one thread writes a file for every few. It
checks nothing, keeps no vendor's bytes, knows no key, has no second table, and cannot be asked again.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count as counted
from pathlib import Path

import aiohttp
import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from bench.page_server import EXPORT
from bench.pages import PAGE_SIZE, window

_IN_FLIGHT = 8
_PAGES_PER_FILE = 20
_ONE_BLOCK = pj.ReadOptions(block_size=256 << 20)


def executions(url: str, folder: Path, count: int) -> int:
    """Writes the day; the number of test executions in the files."""
    return asyncio.run(_written(url, folder, range(1, 1 - (-count // PAGE_SIZE))))


async def _written(url: str, folder: Path, pages: Sequence[int]) -> int:
    start, end = (round(moment.timestamp() * 1000) for moment in window())
    slots = asyncio.Semaphore(_IN_FLIGHT)
    loop = asyncio.get_running_loop()
    names = counted()
    with ThreadPoolExecutor(1) as worker:
        async with aiohttp.ClientSession() as client:

            async def body(page: int) -> bytes:
                bounds = {"startExecutionTime[0]": start, "endExecutionTime[0]": end - 1}
                async with slots, client.get(url + EXPORT, params={**bounds, "_page": page}) as answer:
                    return await answer.read()

            async def write(some: Sequence[int]) -> int:
                bodies = await asyncio.gather(*map(body, some))
                return await loop.run_in_executor(worker, _write, bodies, folder / f"{next(names)}.parquet")

            groups = [pages[at : at + _PAGES_PER_FILE] for at in range(0, len(pages), _PAGES_PER_FILE)]
            return sum(await asyncio.gather(*map(write, groups)))


def _write(bodies: Sequence[bytes], file: Path) -> int:
    table = pj.read_json(io.BytesIO(b"\n".join(bodies)), _ONE_BLOCK)
    records = pa.Table.from_struct_array(table["resources"].combine_chunks().flatten())
    pq.write_table(records, file, compression="zstd")
    return records.num_rows
