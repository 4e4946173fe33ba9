"""How a busy span of time falls into parts, and what lands of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipelines.defs.sources.perfecto_reporting.client import client
from pipelines.defs.sources.perfecto_reporting.contract import TEST_EXECUTIONS
from pipelines.defs.sources.perfecto_reporting.span import Span
from pipelines.lib import landing
from simlab.api import perfecto_reporting
from simlab.server import Lab
from tests.simlab.serving import serving
from tests.simlab.tiny_world import DAY, HOUR, TinyPerfecto, at, test_run
from tests.sources.lab_and_lake import clock_of, connection_to, held

MIDNIGHT = at("2026-03-02")
THE_DAY = Span(MIDNIGHT, MIDNIGHT + DAY)


def landed(lab: Lab, lake: Path, **changes: object) -> Any:
    start = datetime(2026, 3, 2, tzinfo=UTC)

    async def land() -> Any:
        async with client(connection_to(lab, "acme", **changes), clock_of(lab)) as source:
            answer = source.test_executions(start, start + timedelta(days=1))
            return await landing.merge(lake, TEST_EXECUTIONS, "acme", start.date(), answer)

    return asyncio.run(land())["test_executions"]


def test_parts_cover_the_span_without_a_gap_and_without_sharing_a_millisecond() -> None:
    span = Span(MIDNIGHT, MIDNIGHT + DAY - 7)
    parts = span.parts(range(MIDNIGHT, MIDNIGHT + HOUR, 1000))
    assert len(parts) == 97  # four an hour, where an hour has been seen
    assert (parts[0].start, parts[-1].end) == (span.start, span.end)
    assert all(left.end == right.start for left, right in pairwise(parts))
    assert parts[0].bounds["endExecutionTime[0]"] == str(parts[1].start - 1)


def test_a_span_of_a_few_seconds_is_not_split() -> None:
    assert Span(MIDNIGHT, MIDNIGHT + 15_000).parts([MIDNIGHT + 1, MIDNIGHT + 2]) == []


def test_a_span_is_not_split_where_the_server_does_not_heed_its_bounds() -> None:
    assert THE_DAY.parts([MIDNIGHT - n for n in range(1, 100)]) == []
    assert THE_DAY.parts([]) == []


def test_tests_that_all_start_at_once_are_listed_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perfecto_reporting, "PAGE_SIZE", 5)
    cloud = TinyPerfecto([test_run(n, MIDNIGHT + 3 * HOUR) for n in range(123)])
    with serving(cloud, clock="2026-03-03T13:00:00Zx0") as lab:
        outcome = landed(lab, tmp_path)
    assert (outcome.rows, outcome.complete) == (123, True)
    assert outcome.facts["spans"] > 2


@pytest.mark.parametrize("in_flight", [1, 16])
def test_a_day_lands_the_same_however_many_parts_are_under_way(
    in_flight: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perfecto_reporting, "PAGE_SIZE", 10)
    busy = [test_run(n, MIDNIGHT + 9 * HOUR + n * 20_000) for n in range(700)]
    quiet = [test_run(1000 + n, MIDNIGHT + n * 23 * 60_000) for n in range(60)]
    with serving(TinyPerfecto(busy + quiet), clock="2026-03-03T13:00:00Zx0") as lab:
        outcome = landed(lab, tmp_path, max_in_flight=in_flight)
        assert (outcome.rows, outcome.complete, outcome.is_rewritten) == (760, True, True)
        assert not landed(lab, tmp_path).is_rewritten, "another order of arrival must change nothing"


def test_parts_that_the_source_no_longer_answers_for_take_nothing_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perfecto_reporting, "PAGE_SIZE", 10)
    runs = [test_run(n, MIDNIGHT + n * 200_000) for n in range(400)]
    with serving(TinyPerfecto(runs), clock="2026-03-03T13:00:00Zx0") as lab:
        landed(lab, tmp_path)
    with serving(TinyPerfecto(runs[200:]), clock="2026-05-30T23:59:00Zx0") as lab:
        refuse = perfecto_reporting.Export._refuse_forgotten

        def forgetting(export: Any, query: Any, now: int) -> None:
            """The retention ends within the day; the whole of it is still answered for."""
            is_part = query.start != MIDNIGHT or query.end != MIDNIGHT + DAY - 1
            is_forgotten = is_part and query.start < runs[200].started_at
            refuse(export, query, query.start + 100 * DAY if is_forgotten else now)

        monkeypatch.setattr(perfecto_reporting.Export, "_refuse_forgotten", forgetting)
        outcome = landed(lab, tmp_path)
    assert (outcome.rows, outcome.complete, outcome.missing) == (400, False, 0)
    assert "retention" in outcome.note
    assert not any(row["_missing_since"] for row in held(tmp_path, TEST_EXECUTIONS))


def test_what_a_split_day_no_longer_lists_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perfecto_reporting, "PAGE_SIZE", 10)
    runs = [test_run(n, MIDNIGHT + n * 200_000) for n in range(400)]
    for listed, hour in ((runs, 13), (runs[1:], 14)):
        with serving(TinyPerfecto(listed), clock=f"2026-03-03T{hour}:00:00Zx0") as lab:
            outcome = landed(lab, tmp_path)
    assert (outcome.rows, outcome.complete, outcome.missing) == (400, True, 1)
    (missing,) = [row["id"] for row in held(tmp_path, TEST_EXECUTIONS) if row["_missing_since"]]
    assert missing == runs[0].id
