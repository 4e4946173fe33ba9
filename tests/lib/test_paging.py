"""Listings that repeat are noticed, and many questions are asked side by side."""

from __future__ import annotations

import asyncio

import pytest

from pipelines.lib.answer import not_asked
from pipelines.lib.clock import utc_now
from pipelines.lib.paging import Novelty, as_they_come
from pipelines.lib.source_errors import ServerFailed, SourceError


def test_pages_with_something_new_go_on_and_pages_without_do_not() -> None:
    novelty = Novelty()
    pages = (["a", "b"], ["b", "c"], ["c", "b"], ["d"], ["a", "b"])
    assert [novelty.is_new(page) for page in pages] == [True, True, False, True, False]


def test_a_cycle_of_pages_longer_than_the_memory_of_records_is_noticed() -> None:
    novelty = Novelty()
    cycle = [[str(n)] for n in range(10)]
    assert all(novelty.is_new(page) for page in cycle)
    assert not any(novelty.is_new(page) for page in cycle)


def test_answers_come_as_they_are_ready_and_no_more_are_asked_than_allowed() -> None:
    open_now, most, got = 0, 0, []
    others_came = asyncio.Event()

    async def ask(n: int) -> int:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await (others_came.wait() if n == 0 else asyncio.sleep(0))
        open_now -= 1
        return n

    async def collect() -> None:
        async for n in as_they_come(not_asked("", utc_now()), range(20), ask, 4):
            got.append(n)
            if len(got) == 19:
                others_came.set()

    asyncio.run(asyncio.wait_for(collect(), 60))
    assert sorted(got) == list(range(20))
    assert got[-1] == 0
    assert most == 4


def asked(
    bad: set[int], in_flight: int, of: int = 100
) -> tuple[list[int], list[int], SourceError | str | None]:
    """Which questions were asked, which answered, and what was raised or told; the source fails the bad ones."""
    answer, questions, got = not_asked("", utc_now()), [], []

    async def ask(n: int) -> int:
        questions.append(n)
        if n in bad:
            raise ServerFailed(f"HTTP 500 for {n}", 500)
        return n

    async def collect() -> None:
        async for n in as_they_come(answer, range(of), ask, in_flight):
            got.append(n)  # noqa: PERF401  what came before a failure is the point

    try:
        asyncio.run(asyncio.wait_for(collect(), 60))
    except SourceError as error:
        return questions, got, error
    return questions, got, answer.failure


@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_question_that_the_source_fails_stops_no_other_and_is_told_in_the_end(in_flight: int) -> None:
    bad = {0, 1, 2, 3, 50, 99}
    _, got, failure = asked(bad, in_flight)
    assert sorted(got) == sorted(set(range(100)) - bad)
    assert isinstance(failure, str)
    assert failure.startswith("HTTP 500 for")
    assert failure.endswith("(6 of 100 questions; what the others brought is kept)")


def test_a_source_that_fails_several_in_a_row_is_asked_no_more() -> None:
    questions, got, error = asked(set(range(10, 1000)), 1, 1000)
    assert got == list(range(10))
    assert type(error) is ServerFailed
    assert len(questions) < 20


def test_where_no_question_is_answered_the_failure_is_the_sources_own() -> None:
    *_, error = asked({0, 1}, 1, 2)
    assert (type(error), str(error)) == (ServerFailed, "HTTP 500 for 0")


def test_a_question_that_fails_is_raised_after_the_answers_before_it() -> None:
    async def ask(n: int) -> int:
        if n == 3:
            raise LookupError("three")
        return n

    got = []

    async def one_by_one() -> None:
        async for n in as_they_come(not_asked("", utc_now()), range(100), ask, 1):
            got.append(n)  # noqa: PERF401  what came before the failure is the point

    with pytest.raises(LookupError):
        asyncio.run(one_by_one())
    assert got == [0, 1, 2]


def test_a_reader_that_stops_leaves_nothing_running() -> None:
    async def ask(n: int) -> int:
        await asyncio.sleep(0)
        return n

    async def read_one() -> int:
        answers = as_they_come(not_asked("", utc_now()), range(1000), ask, 8)
        first = await anext(answers)
        await answers.aclose()
        assert len(asyncio.all_tasks()) == 1
        return first

    assert asyncio.run(read_one()) == 0
