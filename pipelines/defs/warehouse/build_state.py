"""What is known of the build database: which run works on it, and which tables no test has passed yet.

A build takes several steps, each perhaps in its own process, and a person may build a part of it from the UI.
So the state outlives the process: a file beside the database.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from pathlib import Path

from filelock import FileLock

from pipelines.lib import lake_files

POLL_SECONDS = 1.0
LOST = "whatever was built before its state was lost: build everything"


class BuildState:
    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "state.json"
        self._lock = FileLock(folder / "state.lock")

    def claim(self, run_id: str, is_over: Callable[[str], bool], patience_seconds: float = 3600) -> None:
        """Take the build database for a run; wait while another run that is not over has it.

        TimeoutError, naming the other run, after `patience_seconds`.
        """
        deadline = time.monotonic() + patience_seconds
        while (holder := self._take(run_id, is_over)) != run_id:
            if time.monotonic() > deadline:
                raise TimeoutError(f"run {holder} is still building the warehouse; end it or try again later")
            time.sleep(POLL_SECONDS)

    def begin(self, tables: Collection[str]) -> None:
        """These tables are being rebuilt: until `prove` names them, nothing may be published."""
        with self._lock:
            state = self._read()
            self._write({**state, "unproven": sorted({*state["unproven"], *tables})})

    def begin_all(self, tables: Collection[str]) -> None:
        """The same of every table there is: what was not proven before is built again, or is no more."""
        with self._lock:
            self._write({**self._read(), "unproven": sorted(tables)})

    def prove(self, tables: Collection[str]) -> None:
        """These tables were rebuilt and all their tests passed."""
        with self._lock:
            state = self._read()
            self._write({**state, "unproven": sorted({*state["unproven"]} - {*tables})})

    def unproven(self) -> list[str]:
        return self._read()["unproven"]

    def _take(self, run_id: str, is_over: Callable[[str], bool]) -> str:
        """The run that holds the build database after the attempt."""
        with self._lock:
            state = self._read()
            holder = state["run"]
            if holder in (None, run_id) or is_over(holder):
                self._write({**state, "run": run_id})
                return run_id
            return holder

    def _read(self) -> dict:
        try:
            return json.loads(self._file.read_text())
        except FileNotFoundError:
            return {"run": None, "unproven": []}
        except ValueError:  # a disk that lost what it was given
            return {"run": None, "unproven": [LOST]}

    def _write(self, state: dict) -> None:
        aside = self._file.with_suffix(".next")
        aside.write_text(json.dumps(state))
        lake_files.publish(aside, self._file)
