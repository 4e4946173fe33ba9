"""Test executions: this pipeline beside dlt, and beside what one process can do at best.

.venv/bin/python -m bench.executions --executions 100000
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from bench import measuring, pages
from bench.measuring import Contender
from bench.page_server import serving

OURS = Contender("flakehouse", "bench.flakehouse", "executions")
LIMIT = Contender("limit", "bench.limit", "executions")
LIMIT_TUNED = Contender("limit, tuned", "bench.limit", "executions_tuned")
DLT = Contender("dlt", "bench.dlt_rest_api", "executions")


def main(
    executions: Annotated[int, typer.Option(help="in the day that is landed")] = 100_000,
    latency: Annotated[float, typer.Option(help="of each answer, in seconds")] = 0.02,
    rounds: Annotated[int, typer.Option(help="of all contenders in turn")] = 3,
) -> None:
    """Lands one day of test executions with each contender in turn."""
    contenders = [OURS, LIMIT, LIMIT_TUNED] + ([DLT] if find_spec("dlt") else [])
    with tempfile.TemporaryDirectory(prefix="flakehouse-bench-") as folder:
        place = Path(folder, "pages")
        pages.write(place, executions)
        with serving(place, latency) as url:
            runs = measuring.in_turns(contenders, url, Path(folder), executions, rounds)
    landed = {one.count for of_one in runs.values() for one in of_one}
    if landed != {executions}:
        raise RuntimeError(f"{executions} executions were asked for, and {sorted(landed)} landed")
    measuring.show(
        f"{executions:,} test executions in pages of {pages.PAGE_SIZE}, {latency * 1000:g} ms latency, {rounds} rounds",
        measuring.HEADER,
        measuring.compared(runs, OURS.label),
        () if find_spec("dlt") else ("dlt is not installed: make bench",),
    )


if __name__ == "__main__":
    typer.run(main)
