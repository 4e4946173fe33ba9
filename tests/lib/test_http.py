"""Which answers are tried again, which are final, and what the line says; against a server that misbehaves."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest

from pipelines.lib import http
from pipelines.lib.http import Endpoint, connect
from pipelines.lib.source_errors import (
    NotAuthorised,
    NotFound,
    Refused,
    ServerFailed,
    SourceError,
    SourceUnavailable,
)
from tests.lib.scripted_server import Reply, serving

CANARY = "canary-4711"
read_json = msgspec.json.Decoder(dict[str, Any]).decode


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are a hundredth of what they are otherwise."""
    monkeypatch.setattr(http, "_FIRST_WAIT", 0.005)
    monkeypatch.setattr(http, "_LONGEST_WAIT", 0.05)
    monkeypatch.setattr(http, "_JITTER", 0.01)


def get(url: str, times: int = 1, **settings: Any) -> tuple[list[Any], http.Http]:
    """The answers to this many requests made at once."""

    async def ask() -> tuple[list[Any], http.Http]:
        endpoint = Endpoint(label="perfecto.acme", url=url, headers={"X-Token": CANARY}, **settings)
        async with connect(endpoint) as source:
            requests = [source.get("a/b", {"q[0]": CANARY}, read_json) for _ in range(times)]
            return await asyncio.gather(*requests), source

    return asyncio.run(ask())


def error_of(ask: Callable[[], Any], kind: type[SourceError]) -> str:
    with pytest.raises(kind) as caught:
        ask()
    line = str(caught.value)
    assert type(caught.value) is kind
    assert "\n" not in line
    assert CANARY not in line
    return line


GOOD = Reply(body=b'{"n": 1}')


@pytest.mark.parametrize(
    "bad",
    [
        Reply(429),
        Reply(502, b"<html>Bad Gateway</html>"),
        Reply(503),
        Reply(504),
        Reply(500),
        Reply(200, b"<html>Please log in</html>"),
        Reply(200, b'{"n": 1'),
        Reply(200, b"[]"),
        Reply(200, b'{"n": 1}' * 100, cut_after=20),
        Reply(is_reset=True),
        Reply(wait_seconds=0.5),
    ],
    ids=lambda reply: (
        f"{reply.status}-{reply.body[:9]!r}-{reply.cut_after}-{reply.is_reset}-{reply.wait_seconds}"
    ),
)
def test_what_may_pass_is_tried_again(bad: Reply) -> None:
    with serving(bad, bad, GOOD) as server:
        answers, source = get(server.url, timeout_seconds=0.2)
    assert answers == [{"n": 1}]
    assert source.counts["retries"] in (1, 2)  # one reset may be retried by the transport itself
    assert source.counts["requests"] == source.counts["retries"] + 1


def test_a_500_is_tried_three_times_and_then_said_to_be_perhaps_the_token() -> None:
    with serving(Reply(500)) as server:
        line = error_of(lambda: get(server.url), ServerFailed)
    assert len(server.asked) == 3
    assert line == (
        f"perfecto.acme ({server.url}): HTTP 500, 3 times; its token may be bad, or the server is in trouble"
    )


def test_a_busy_server_is_given_up_in_the_end() -> None:
    with serving(Reply(503)) as server:
        line = error_of(lambda: get(server.url), SourceUnavailable)
    assert len(server.asked) == 8
    assert "HTTP 503, 8 times" in line


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, NotAuthorised, "HTTP 401; check its token"),
        (403, NotAuthorised, "HTTP 403; check its token"),
        (404, NotFound, "HTTP 404; check the url"),
        (410, NotFound, "HTTP 410; check the url"),
        (400, Refused, "HTTP 400; check the url"),
        (302, Refused, "a redirect, which is never followed"),
    ],
)
def test_what_will_not_pass_is_final_at_once(status: int, kind: type[SourceError], words: str) -> None:
    elsewhere = {"Location": "http://127.0.0.1:1/login"}
    with serving(Reply(status, b"secret words", elsewhere)) as server:
        line = error_of(lambda: get(server.url), kind)
    assert len(server.asked) == 1
    assert words in line


def test_a_dead_server_is_named_within_seconds() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    line = error_of(lambda: get(url), SourceUnavailable)
    assert (
        line
        == f"perfecto.acme ({url}): nothing answers there, 4 times; check the url, or wait until it is up"
    )


def test_a_server_that_drops_what_is_sent_to_it_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_CONNECT_SECONDS", 0.3)
    with socket.socket() as deaf, ExitStack() as waiting:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):  # they fill its queue, and nobody accepts them
            connection = waiting.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex(deaf.getsockname())
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        line = error_of(lambda: get(url), SourceUnavailable)
    assert line == (
        f"perfecto.acme ({url}): no connection within 0.3 s, 3 times; check the url, or wait until it is up"
    )


def test_an_unknown_host_is_named() -> None:
    assert "its host name is unknown" in error_of(lambda: get("http://lab.invalid"), SourceUnavailable)


def seconds_to_answer_after(retry_after: str) -> float:
    with serving(Reply(429, headers={"Retry-After": retry_after}), GOOD) as server:
        started = time.monotonic()
        get(server.url)
        return time.monotonic() - started


def test_retry_after_is_waited_for_in_seconds_and_as_a_date() -> None:
    assert 1.0 <= seconds_to_answer_after("1") < 5
    in_three = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    assert 1.0 <= seconds_to_answer_after(in_three) < 6
    assert seconds_to_answer_after("nonsense") < 1.0


def test_a_server_that_asks_for_longer_than_a_run_can_wait_is_asked_once_and_says_so() -> None:
    with serving(Reply(429, headers={"Retry-After": "3600"}), GOOD) as server:
        line = error_of(lambda: get(server.url), SourceUnavailable)
    assert len(server.asked) == 1
    assert line.endswith(
        ": HTTP 429, and it asks not to be asked again for 3,600 s;"
        " set requests_per_second lower, or try again then"
    )


def test_a_wait_that_a_run_can_afford_is_not_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_LONGEST_RETRY_AFTER", 3.0)
    assert seconds_to_answer_after("2") >= 2.0


@pytest.mark.parametrize("said", ["Mon, 01 Jan 99999999999 00:00:00 GMT", "Mon, 01 Jan 0000 00:00:00 +9999"])
def test_a_date_of_no_calendar_is_as_if_it_were_absent(said: str) -> None:
    assert seconds_to_answer_after(said) < 60


def test_no_more_requests_are_in_flight_than_allowed() -> None:
    with serving(Reply(body=b"{}", wait_seconds=0.02)) as server:
        get(server.url, times=20, max_in_flight=3)
    assert server.most_at_once == 3


def test_requests_keep_to_their_rate() -> None:
    with serving(GOOD) as server:
        started = time.monotonic()
        get(server.url, times=6, requests_per_second=10)
    assert time.monotonic() - started >= 0.5


def test_one_trickling_answer_does_not_last_for_ever() -> None:
    with serving(Reply(body=b"{}", wait_seconds=1.0), GOOD) as server:
        started = time.monotonic()
        answers, _source = get(server.url, timeout_seconds=0.05)
    assert answers == [{"n": 1}]
    assert time.monotonic() - started < 1.0


def test_nothing_that_was_sent_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), serving(Reply(503), GOOD) as server:
        get(server.url)
    assert CANARY not in caplog.text
    assert server.asked[0][1]["X-Token"] == CANARY


def test_the_error_has_no_inner_error_that_could_show_a_url() -> None:
    with serving(Reply(503)) as server, pytest.raises(SourceUnavailable) as caught:
        get(server.url)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
