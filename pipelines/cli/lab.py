"""The simulated lab: in the foreground for `flakehouse simlab`, beside us for the demo and `flakehouse dev`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.cli.days import parsed_day
from pipelines.cli.terminal import CommandError

SECONDS_TO_START = 60

AHEAD_DAYS = 30
"""The world goes on after today, so that a lab which is left running over midnight has something to show."""


def serve(
    port: int,
    seed: int,
    days: int,
    end: str | None,
    clock: str,
    faults: str,
    histories: tuple[Path, ...],
    connections: Path | None,
    truth: Path | None,
    density: float,
) -> None:
    from simlab import server

    last_day = parsed_day("--end", end) if end else None
    try:
        server.run(
            server.LabConfig(
                port, seed, days, last_day, clock, faults, histories, connections, truth, density=density
            )
        )
    except (ValueError, OSError) as error:
        raise CommandError(f"the lab cannot start: {error}") from error


@contextmanager
def beside_us(folder: Path, days: int) -> Iterator[Path]:
    """A lab in a process of its own while the context is open; yields the connections file that leads to it.

    Its world is a function of the day: every lab of the same seed tells the same of a day, whenever it is started.
    """
    folder.mkdir(parents=True, exist_ok=True)
    connections, log = folder / "connections.toml", folder / "lab.log"
    end = datetime.now(UTC).date() + timedelta(days=AHEAD_DAYS)
    options = ["--days", str(days + AHEAD_DAYS), "--end", end.isoformat(), "--connections", str(connections)]
    with log.open("w") as output:
        command = [sys.executable, "-m", "pipelines.cli", "simlab", *options]
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)  # noqa: S603
    try:
        _wait_for_first_line(process, log)
        yield connections
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_for_first_line(process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while "\n" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CommandError(f"the simulated lab did not start: {log.read_text().strip()}")
        time.sleep(0.05)
