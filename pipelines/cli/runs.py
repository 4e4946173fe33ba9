"""Runs through Dagster, so that they show in its UI: each connection's in a process of its own, in order.

Processes, as Dagster sets up logging per run and two runs in threads of one process lock each other up.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.lib.source_errors import NotAuthorised, SourceUnavailable
from pipelines.orchestration import instance

SIDE_BY_SIDE = 8
"""Connections at once: each takes about 200 MB."""

POLL_SECONDS = 0.5

# After these no other day of the connection will fare better, and a refused password may lock the account.
OF_THE_CONNECTION = {NotAuthorised.__name__, SourceUnavailable.__name__}

_processes = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


@dataclass(frozen=True)
class Run:
    """One Dagster run to be made: of some assets and one partition of theirs, or of a whole job."""

    source: str
    connection: str = ""
    day: str = ""
    assets: frozenset[dg.AssetKey] = frozenset()
    partition_key: str | None = None
    job: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    done: str = "built, tested and published"  # what is to be said of a job that succeeded

    @property
    def subject(self) -> str:
        return f"{self.source} {self.connection}".strip()

    def __str__(self) -> str:
        return f"{self.subject} {self.day}".strip()


@dataclass
class Outcome:
    run: Run
    seconds: float = 0
    error: str | None = None
    is_tried: bool = True
    rows: Counter = field(default_factory=Counter)  # in the partition now, by table
    rejected: int = 0
    is_due_again: bool = False  # the source was still preparing what it told
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Started:
    run: Run
    run_id: str


@cache
def definitions() -> dg.Definitions:
    from pipelines.definitions import defs

    return defs()


def execute(
    home: Path,
    log: Path,
    lanes: Sequence[Sequence[Run]],
    watch: Callable[[Started | Outcome], None],
    meanwhile: Callable[[], None],
) -> list[Outcome]:
    """Make all runs: lanes side by side, the runs of a lane in order. One that fails stops no other.

    `watch` hears of every start and end; `meanwhile` is called while nothing happens. Interrupted, the runs that
    are under way are cancelled.
    """
    waiting, outcomes = list(lanes), []
    lanes_by_pipe: dict[Pipe, _Lane] = {}
    try:
        while waiting or lanes_by_pipe:
            while waiting and len(lanes_by_pipe) < SIDE_BY_SIDE:
                lane = _Lane(home, log, waiting.pop(0))
                lanes_by_pipe[lane.pipe] = lane
            ready = wait(list(lanes_by_pipe), timeout=POLL_SECONDS)
            if not ready:
                meanwhile()
            for pipe in ready:
                for item in lanes_by_pipe[pipe].hear():
                    watch(item)
                    if isinstance(item, Outcome):
                        outcomes.append(item)
                if lanes_by_pipe[pipe].is_over:
                    del lanes_by_pipe[pipe]
    finally:
        for lane in lanes_by_pipe.values():
            lane.interrupt()
    return outcomes


class _Lane:
    """A process that makes runs one after the other and tells of each."""

    def __init__(self, home: Path, log: Path, runs: Sequence[Run]):
        self.pipe, theirs = _processes.Pipe(duplex=False)
        self._left = list(runs)
        self.is_over = False
        self._process = _processes.Process(target=_make_runs, args=(theirs, home, log, runs), daemon=True)
        self._process.start()
        theirs.close()

    def hear(self) -> Iterable[Started | Outcome]:
        try:
            news = [self.pipe.recv()]
        except EOFError:
            self._process.join()
            self.is_over = True
            return [Outcome(run, error="its process was killed; run the command again") for run in self._left]
        self._left = [run for run in self._left if not (isinstance(news[0], Outcome) and news[0].run == run)]
        return news

    def interrupt(self) -> None:
        if self._process.is_alive():
            self._process.terminate()
        self._process.join(timeout=20)
        self._process.kill()


def _make_runs(pipe: Pipe, home: Path, log: Path, runs: Sequence[Run]) -> None:
    """The body of a lane's process. What is printed here, by Dagster, dbt or below Python, goes to the log."""
    with log.open("a") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    sys.stdout, sys.stderr = os.fdopen(1, "w", 1, closefd=False), os.fdopen(2, "w", 1, closefd=False)
    storage = instance.of(home)
    hopeless: str | None = None
    for run in runs:
        if hopeless:
            pipe.send(Outcome(run, error=hopeless, is_tried=False))
            continue
        try:
            run_id = str(uuid.uuid4())
            pipe.send(Started(run, run_id))
            outcome, kind = _make_run(storage, run, run_id)
        except KeyboardInterrupt:
            return
        except Exception as error:  # noqa: BLE001 - whatever is wrong with this run is no reason to leave out the next
            outcome, kind = Outcome(run, error=f"{type(error).__name__}: {error}"), None
        hopeless = outcome.error if kind in OF_THE_CONNECTION else None
        pipe.send(outcome)


def _make_run(storage: dg.DagsterInstance, run: Run, run_id: str) -> tuple[Outcome, str | None]:
    """What became of the run, and the class of the exception that ended it."""
    began = time.monotonic()
    if run.job:
        job = definitions().resolve_job_def(run.job)
    else:
        job = definitions().resolve_implicit_job_def_def_for_assets(list(run.assets))
    result = job.execute_in_process(
        instance=storage,
        asset_selection=sorted(run.assets) or None,
        partition_key=run.partition_key,
        run_config=run.config,
        run_id=run_id,
        tags=instance.process_tags(),
        raise_on_error=False,
    )
    outcome = Outcome(run, seconds=time.monotonic() - began)
    for event in result.get_asset_materialization_events():
        metadata = {name: value.value for name, value in event.materialization.metadata.items()}
        table = ".".join(event.asset_key.path)
        outcome.rows[table] = metadata.get("dagster/row_count", 0)
        outcome.rejected += metadata.get("rejected", 0)
        outcome.is_due_again |= metadata.get("is_due_again", False)
    failed = []
    for check in result.get_asset_check_evaluations():
        if not check.passed:
            said = f"{'.'.join(check.asset_key.path)}: {check.description or check.check_name}"
            is_error = check.severity == dg.AssetCheckSeverity.ERROR
            (failed if is_error else outcome.warnings).append(said)
    kind = None
    if not result.success:
        outcome.error, kind = _why(result)
    elif failed:
        outcome.error = "; ".join(failed)
    return outcome, kind


def _why(result: dg.ExecuteInProcessResult) -> tuple[str, str | None]:
    """The message of the exception that an asset raised, in one line, and the exception's class."""
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            if failure.user_failure_data:
                return failure.user_failure_data.description, None
            error = failure.error.cause or failure.error
            return " ".join(error.message.partition(": ")[2].split()) or error.cls_name, error.cls_name
    return "the run failed before its first step; see the log", None
