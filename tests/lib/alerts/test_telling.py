"""Places are told side by side, each once, whatever happens to the others and to the memory of it."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.lib import lake_files
from pipelines.lib.alerts import Finding, sending, telling
from pipelines.lib.alerts.telling import Memory, tell
from pipelines.settings import Alert, parse_connections
from tests.lib.alerts.receivers import Receiver, drip, webhook

NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
RUN = Finding("run/acme", "Failed runs", "acme: 503")
LATE = Finding("late/beta", "Late data", "beta: nothing is known")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    yield Memory(tmp_path / "alerts.json")
    telling._UNSAVED.clear()


def places(**receivers: Receiver) -> dict[str, Alert]:
    named = {name: {"kind": "webhook", "url": each.url} for name, each in receivers.items()}
    return dict(parse_connections({"alerts": named}, {}, "here").alerts)


def told(to: dict[str, Alert], memory: Memory, *found: Finding, minutes: int = 0) -> tuple[int, list[str]]:
    return tell(to, dict.fromkeys(to, found), memory, "http://ui", NOW + timedelta(minutes=minutes))


def test_a_place_that_does_not_answer_keeps_no_other_waiting(memory: Memory) -> None:
    other_was_told, in_time = threading.Event(), []

    def wait() -> None:
        in_time.append(other_was_told.wait(10))

    with webhook(first=wait) as slow, webhook(first=other_was_told.set) as well:
        assert told(places(slow=slow, well=well), memory, RUN) == (2, [])
    assert in_time == [True]
    assert (len(slow.posts), len(well.posts)) == (1, 1)


@pytest.mark.parametrize(
    ("greeting", "word"),
    [(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n", b"a")],
)
def test_a_webhook_that_answers_for_ever_has_an_end(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, greeting: bytes, word: bytes
) -> None:
    monkeypatch.setattr(sending, "SECONDS", 0.3)
    with drip(greeting, word) as endless:
        count, (trouble,) = told(places(endless=endless), memory, RUN)
    assert (count, trouble) == (0, "alerts.endless: TimeoutError; check its url and the network")
    assert memory.of("endless") == {}


@pytest.mark.parametrize(("greeting", "word"), [(b"", b"220-here\r\n"), (b"220 here\r\n", b"250-here\r\n")])
def test_a_mail_server_that_greets_for_ever_has_an_end(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, greeting: bytes, word: bytes
) -> None:
    monkeypatch.setattr(sending, "SECONDS", 0.3)
    with drip(greeting, word) as endless:
        keys = {"kind": "email", "url": endless.smtp, "recipients": ["one@example.com"]}
        boss = parse_connections({"alerts": {"boss": keys}}, {}, "here").alerts
        count, (trouble,) = told(boss, memory, RUN)
    assert count == 0
    assert trouble.startswith("alerts.boss: ")
    assert "no answer" not in trouble  # it ended by itself: nobody had to lose patience
    assert memory.of("boss") == {}


@pytest.mark.parametrize("left", ["", "{", "null", '["a"]'])
def test_a_memory_that_was_lost_counts_as_empty(memory: Memory, tmp_path: Path, left: str) -> None:
    (tmp_path / "alerts.json").write_text(left)
    with webhook() as team:
        told(places(team=team), memory, RUN)
        told(places(team=team), memory, RUN, minutes=1)
    assert len(team.posts) == 1


def test_a_memory_is_on_the_disk_before_it_takes_the_place_of_the_old_one(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    monkeypatch.setattr(lake_files, "_sync", lambda path: done.append(path.name))
    monkeypatch.setattr(lake_files.os, "replace", lambda *_: done.append("replaced"))
    memory.keep({"team": {}})
    assert done == ["alerts.next", "replaced", tmp_path.name]


def test_with_a_full_disk_every_place_is_told_once_and_that_it_is_full_is_said(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook() as team, webhook() as boss, monkeypatch.context() as patch:
        to = places(team=team, boss=boss)
        patch.setattr(lake_files, "publish", full)
        for minute in range(3):
            _, (trouble,) = told(to, memory, RUN, minutes=minute)
            assert trouble == "what was told cannot be written down: No space left on device; make room"
        told(to, memory, RUN, LATE, minutes=4)
        patch.undo()
        assert told(to, memory, RUN, LATE, minutes=5) == (0, [])
    for receiver in (team, boss):
        keys = [
            [each["key"] for group in post["groups"] for each in group["findings"]] for post in receiver.posts
        ]
        assert keys == [["run/acme"], ["late/beta"]]
    telling._UNSAVED.clear()
    assert set(memory.of("team")) == set(memory.of("boss")) == {"run/acme", "late/beta"}


def full(*_: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_only_one_at_a_time_uses_a_memory(memory: Memory, tmp_path: Path) -> None:
    def alone() -> AbstractContextManager[bool]:
        return Memory(tmp_path / "alerts.json").alone()

    with memory.alone() as first, alone() as second:
        assert (first, second) == (True, False)
    with alone() as third:
        assert third
