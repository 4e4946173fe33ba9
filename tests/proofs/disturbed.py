"""The command in a process group of its own, so that a proof can watch it, kill it, or start another beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from tests.proofs.conftest import Home


@dataclass
class Running:
    """A command under way; what it printed goes to a file beside the home."""

    process: subprocess.Popen[bytes]

    def wait(self) -> int:
        return self.process.wait(timeout=600)

    def wait_until(self, is_so: Callable[[], bool]) -> bool:
        """Whether it became so before the command ended."""
        while self.process.poll() is None:
            if is_so():
                return True
            time.sleep(0.02)
        return False

    def end(self, by: signal.Signals) -> int:
        """Ends the command and every process it started."""
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.killpg(self.process.pid, by)
        return self.wait()


def running(home: Home, *arguments: str) -> Running:
    environment = {
        **os.environ,
        "FLAKEHOUSE_HOME": str(home.path),
        "FLAKEHOUSE_CONNECTIONS": str(home.connections),
    }
    with (home.path.parent / "printed.txt").open("ab") as printed:
        return Running(
            subprocess.Popen(
                [sys.executable, "-m", "pipelines.cli", *arguments],
                env=environment,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
        )


def ingesting(home: Home, first: date, last: date, *arguments: str) -> Running:
    return running(home, "ingest", "--start", str(first), "--end", str(last), *arguments)
