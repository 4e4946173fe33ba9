"""Every place told what is new to it, side by side; what it was told is remembered in one file."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pipelines.lib import lake_files
from pipelines.lib.alerts import Finding, Told, message, news, sending, told_after
from pipelines.settings import Alert

PATIENCE = sending.SECONDS + 10
"""Seconds for all places together: a delivery ends by itself before that, unless a name server keeps it."""

_UNSAVED: dict[Path, dict[str, Told]] = {}
"""What could not be written, by file: with a full disk a finding is told once, too, as long as this process lives."""


class Memory:
    """What each place was told: a file that is replaced as a whole. One that cannot be read tells of nothing."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody else uses it meanwhile. It is the folder that is locked: a full disk has room for that."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._file.parent, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(handle)

    def of(self, place: str) -> Told:
        return self._all().get(place, {})

    def keep(self, told: Mapping[str, Told]) -> None:
        """OSError where it cannot be written; this process remembers it then."""
        everything = {**self._all(), **told}
        aside = self._file.with_suffix(".next")
        try:
            aside.write_text(json.dumps(everything))
            lake_files.publish(aside, self._file)
        except OSError:
            _UNSAVED[self._file] = everything
            raise
        _UNSAVED.pop(self._file, None)

    def _all(self) -> dict[str, Told]:
        if self._file in _UNSAVED:
            return _UNSAVED[self._file]
        try:
            known = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def tell(
    places: Mapping[str, Alert],
    findings: Mapping[str, Sequence[Finding]],
    memory: Memory,
    link: str,
    now: datetime,
) -> tuple[int, list[str]]:
    """Tells each place what is new of its findings. How many were told, and a line per trouble."""
    new = {name: news(findings[name], memory.of(name), now) for name in places}
    after = {name: told_after(findings[name], memory.of(name), now) for name in places}
    threads = ThreadPoolExecutor(max_workers=max(len(places), 1))
    deliveries: dict[Future[None], str] = {
        threads.submit(sending.deliver, places[name], message(found, link), now): name
        for name, found in new.items()
        if found
    }
    threads.shutdown(wait=False)
    quiet = {name: told for name, told in after.items() if not new[name]}
    troubles, told = _kept(memory, quiet) if quiet else [], 0
    waiting = set(deliveries.values())
    try:
        for delivery in as_completed(deliveries, timeout=PATIENCE):
            name, error = deliveries[delivery], delivery.exception()
            waiting.discard(name)
            if error:
                is_known = isinstance(error, sending.DeliveryError)
                troubles.append(str(error) if is_known else f"alerts.{name}: {type(error).__name__}")
            else:
                told += len(new[name])
                troubles += _kept(memory, {name: after[name]})
    except TimeoutError:
        troubles += [f"alerts.{name}: no answer; check its url and the network" for name in sorted(waiting)]
    return told, list(dict.fromkeys(troubles))


def _kept(memory: Memory, told: Mapping[str, Told]) -> list[str]:
    try:
        memory.keep(told)
    except OSError as error:
        return [f"what was told cannot be written down: {error.strerror or type(error).__name__}; make room"]
    return []
