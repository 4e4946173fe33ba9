"""Commands, one request per test: this pipeline beside dlt, and beside what the latency allows.

Near, the latency is so short that each contender is held up by its own work alone (20 ms would allow 800 tests a second
to whoever asks, however fast); far, it is so long that it is all there is.

.venv/bin/python -m bench.commands --tests 2000
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from bench import measuring, pages
from bench.flakehouse import IN_FLIGHT
from bench.measuring import Contender
from bench.page_server import serving

OURS = Contender("flakehouse", "bench.flakehouse", "commands")
DLT = Contender("dlt", "bench.dlt_rest_api", "commands")


def main(
    tests: Annotated[int, typer.Option(help="whose commands are landed, about thirty each")] = 2_000,
    latency: Annotated[
        float, typer.Option(help="of each answer, in seconds, that is to hold nobody up")
    ] = 0.002,
    slow: Annotated[float, typer.Option(help="latency, in seconds, that is to hide all else")] = 0.2,
    rounds: Annotated[int, typer.Option(help="of all contenders in turn")] = 3,
) -> None:
    """Lands the commands of tests with each contender in turn, and once more from far away."""
    contenders = [OURS] + ([DLT] if find_spec("dlt") else [])
    with tempfile.TemporaryDirectory(prefix="flakehouse-bench-") as folder:
        place = Path(folder, "pages")
        pages.write(place, 3 * tests, tests_with_commands=tests)
        ids = pages.Pages(place).ids
        with serving(place, latency) as url:
            near = measuring.in_turns(contenders, url, Path(folder), ids, rounds)
        with serving(place, slow) as url:
            far = measuring.in_turns([OURS], url, Path(folder), ids, rounds)
    landed = {one.count for of_one in (*near.values(), *far.values()) for one in of_one}
    if landed != {len(ids)}:
        raise RuntimeError(
            f"commands of {len(ids)} tests were asked for, and those of {sorted(landed)} landed"
        )
    title = f"commands of {len(ids):,} tests, {IN_FLIGHT} requests in flight"
    measuring.show(
        f"{title}, {latency * 1000:g} ms latency, {rounds} rounds",
        measuring.HEADER,
        measuring.compared(near, OURS.label),
        [_share(near, latency)]
        if find_spec("dlt")
        else [_share(near, latency), "dlt is not installed: make bench"],
    )
    measuring.show(
        f"{title}, {slow * 1000:g} ms latency, {rounds} rounds",
        measuring.HEADER,
        measuring.compared(far, OURS.label),
        [_share(far, slow)],
    )


def _share(runs: dict[str, list[measuring.Run]], latency: float) -> str:
    allowed = IN_FLIGHT / latency
    share = measuring.rate(runs[OURS.label]) / allowed
    return f"the latency allows {allowed:,.0f}/s at most: {OURS.label} reaches {share:.0%} of that"


if __name__ == "__main__":
    typer.run(main)
