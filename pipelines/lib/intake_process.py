"""An intake in a process of its own, so that a large answer is typed on every core.

The process learns everything from its standard input, and ends when that does: with whoever started it, however that
ended. Nothing of ours is in its arguments, and next to nothing in its environment.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from typing import Any, BinaryIO

from pipelines.lib import lake_files
from pipelines.lib.answer import Page
from pipelines.lib.buffer import Taken
from pipelines.lib.intake import Intake

_PIPE_BYTES = 1 << 20  # a page fits in, where the system allows it: its sender need not wait
_ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class IntakeProcess:
    """Takes pages as the intake that it is made after, in the same folders."""

    def __init__(self, intake: Intake) -> None:
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603  ourselves
            [sys.executable, "-m", __name__],
            env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=_PIPE_BYTES,
            start_new_session=True,  # an interrupt at the keyboard is for whoever started it
        )
        table = intake.table
        self._setup: tuple[Any, ...] | None = (table.record.__module__, table.name, intake.work)

    def add(self, pages: Sequence[Page], sequence: int) -> None:
        """Returns when the process has received the pages; it takes them while the next ones come."""
        told = [(list(map(bytes, p.records)), p.fetched_at, p.place, p.is_unavailable) for p in pages]
        self._tell((told, sequence))

    def hand_over(self) -> dict[str, Taken]:
        """What was taken since the last time, all of it in files."""
        self._tell(None)
        return self._answer()

    def kill(self) -> None:
        """Whoever is telling it something is told that it has ended."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()

    def _tell(self, message: Any) -> None:
        try:
            for each in (self._setup, message) if self._setup else (message,):
                pickle.dump(each, self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._setup = None
            self._process.stdin.flush()
        except BrokenPipeError:
            self._answer()
            raise

    def _answer(self) -> dict[str, Taken]:
        try:
            answer = pickle.load(self._process.stdout)  # noqa: S301  our own
        except EOFError:
            what = "a process that took part in a landing was killed"
            raise lake_files.LakeError(f"{what}; check the machine's memory, and try again") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _main(told: BinaryIO, answers: BinaryIO) -> None:
    messages = _messages(told)
    module, name, work = next(messages)
    table = next(table for table in importlib.import_module(module).TABLES if table.name == name)
    with lake_files.joined(work["folder"]):
        intake = Intake(table, **work)
        try:
            for message in messages:
                if message is None:
                    _say(answers, intake.hand_over())
                else:
                    pages, sequence = message
                    intake.add([Page(*page) for page in pages], sequence)
        except OSError as error:
            _say(answers, error)
        except Exception as error:  # noqa: BLE001  raised where the answer is read
            _say(answers, RuntimeError(f"{type(error).__name__}: {error}"))


def _messages(told: BinaryIO) -> Iterator[Any]:
    """Until whoever started this has ended, be it in the middle of one."""
    with contextlib.suppress(EOFError, pickle.UnpicklingError):
        while True:
            yield pickle.load(told)  # noqa: S301  our own


def _say(answers: BinaryIO, answer: Any) -> None:
    pickle.dump(answer, answers)
    answers.flush()


class _WithoutPandas(MetaPathFinder):
    """pyarrow would load it with its first array, for nothing, in half a second."""

    def find_spec(self, name: str, _path: object, _target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


if __name__ == "__main__":
    sys.meta_path.insert(0, _WithoutPandas())
    _main(sys.stdin.buffer, sys.stdout.buffer)
