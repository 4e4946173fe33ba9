"""Memory: the peak of landing a day of a million test executions beside that of ten thousand.

.venv/bin/python -m bench.memory --executions 1000000
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from bench import measuring, pages
from bench.executions import OURS
from bench.page_server import serving


def main(
    executions: Annotated[int, typer.Option(help="in the large day")] = 1_000_000,
    small: Annotated[int, typer.Option(help="in the small one")] = 10_000,
    rounds: Annotated[int, typer.Option(help="of both days")] = 1,
) -> None:
    """Lands a small day and a large one, each in a fresh process."""
    runs = {count: _runs(count, rounds) for count in (small, executions)}
    peaks = {count: max(one.peak_bytes for one in of_one) for count, of_one in runs.items()}
    measuring.show(
        "peak memory, of all processes together, to land a day of test executions",
        ("test executions", "peak", "to the small day", "rate"),
        [
            [
                f"{count:,}",
                f"{peak / (1 << 20):,.0f} MB",
                f"{peak / peaks[small]:.2f}",
                f"{measuring.rate(runs[count]):,.0f}/s",
            ]
            for count, peak in peaks.items()
        ],
    )


def _runs(executions: int, rounds: int) -> list[measuring.Run]:
    with tempfile.TemporaryDirectory(prefix="flakehouse-bench-") as folder:
        place = Path(folder, "pages")
        pages.write(place, executions)
        with serving(place, 0.0) as url:
            return measuring.in_turns([OURS], url, Path(folder), executions, rounds)[OURS.label]


if __name__ == "__main__":
    typer.run(main)
