"""Listings that repeat are noticed, and many questions are asked side by side."""

from __future__ import annotations

import asyncio

import pytest

from pipelines.lib.paging import Novelty, as_they_come


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
    open_now, most = 0, 0

    async def ask(n: int) -> int:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.05 if n == 0 else 0.001)
        open_now -= 1
        return n

    async def collect() -> list[int]:
        return [n async for n in as_they_come(range(20), ask, 4)]

    got = asyncio.run(collect())
    assert sorted(got) == list(range(20))
    assert got[-1] == 0
    assert most == 4


def test_a_question_that_fails_is_raised_after_the_answers_before_it() -> None:
    async def ask(n: int) -> int:
        if n == 3:
            raise LookupError("three")
        return n

    got = []

    async def one_by_one() -> None:
        async for n in as_they_come(range(100), ask, 1):
            got.append(n)  # noqa: PERF401  what came before the failure is the point

    with pytest.raises(LookupError):
        asyncio.run(one_by_one())
    assert got == [0, 1, 2]


def test_a_reader_that_stops_leaves_nothing_running() -> None:
    async def ask(n: int) -> int:
        await asyncio.sleep(0)
        return n

    async def read_one() -> int:
        answers = as_they_come(range(1000), ask, 8)
        first = await anext(answers)
        await answers.aclose()
        assert len(asyncio.all_tasks()) == 1
        return first

    assert asyncio.run(read_one()) == 0
