"""`flakehouse ingest --missing`: which of the runs over days are left."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.cli.runs import Run
from pipelines.cli.selection import missing
from pipelines.cli.terminal import CommandError
from pipelines.lib.answer import NOBODY_ASKED, PAST_RETENTION
from pipelines.lib.ingest_partitions import ONLY_CHANGES
from tests.orchestration.told_landings import day_landed, tell

SOURCE = "hcl_test_server"
DAY = date(2026, 1, 10)
NOW = datetime(2026, 3, 11, 12, 30, tzinfo=UTC)


def left(lake: Path, *days: date) -> list[date]:
    """The days of the connection that are still to be read, of its tests and their logs."""
    assets = frozenset(dg.AssetKey([SOURCE, name]) for name in ("executions", "execution_logs"))
    lanes = [[Run(SOURCE, "ots", str(day), assets=assets) for day in days]]
    return [date.fromisoformat(run.day) for lane in missing(lanes, str(lake), NOW) for run in lane]


def landed(lake: Path, day: date, at: datetime = NOW - timedelta(days=9), **facts: Any) -> None:
    for table in ("executions", "execution_logs"):
        tell(lake, "ots", day_landed(SOURCE, table, day, at, **facts))


def test_of_an_empty_lake_every_day_is_missing(tmp_path: Path) -> None:
    assert left(tmp_path, DAY, DAY + timedelta(days=1)) == [DAY, DAY + timedelta(days=1)]


def test_a_day_that_was_read_once_its_look_back_was_over_is_not_missing(tmp_path: Path) -> None:
    landed(tmp_path, DAY)
    assert left(tmp_path, DAY, DAY - timedelta(days=1)) == [DAY - timedelta(days=1)]


def test_one_table_of_two_is_not_the_day(tmp_path: Path) -> None:
    tell(tmp_path, "ots", day_landed(SOURCE, "executions", DAY, NOW - timedelta(days=9)))
    assert left(tmp_path, DAY) == [DAY]


@pytest.mark.parametrize(
    "facts",
    [
        {"error": "ots: 503", "is_complete": False},
        {"note": "projects not there, or not listed in full: 1051", "is_complete": False},
        {"is_complete": False},
        {"note": ONLY_CHANGES},
        {"is_due_again": True},
        {"at": datetime(2026, 1, 12, 5, tzinfo=UTC)},
        {"at": NOW + timedelta(days=1)},
    ],
    ids=["failed", "a part", "a part, unsaid", "only changes", "in preparation", "early", "of a clock ahead"],
)
def test_what_does_not_settle_the_day_leaves_it_missing(tmp_path: Path, facts: dict[str, Any]) -> None:
    landed(tmp_path, DAY, **facts)
    assert left(tmp_path, DAY) == [DAY]


@pytest.mark.parametrize("note", [f"no address: {NOBODY_ASKED}", f"the day is {PAST_RETENTION}"])
def test_a_part_that_is_all_there_will_ever_be_is_not_asked_for_for_ever(tmp_path: Path, note: str) -> None:
    landed(tmp_path, DAY, note=note, is_complete=False)
    assert left(tmp_path, DAY) == []


def test_a_part_after_the_whole_takes_nothing_away(tmp_path: Path) -> None:
    landed(tmp_path, DAY)
    landed(tmp_path, DAY, at=NOW - timedelta(days=1), is_complete=False)
    assert left(tmp_path, DAY) == []


def test_today_is_missing_once_an_hour(tmp_path: Path) -> None:
    landed(tmp_path, NOW.date(), at=NOW - timedelta(minutes=20))
    assert left(tmp_path, NOW.date()) == []
    landed(tmp_path, NOW.date() - timedelta(days=1), at=NOW - timedelta(minutes=40))
    assert left(tmp_path, NOW.date() - timedelta(days=1)) == [NOW.date() - timedelta(days=1)]


def test_a_damaged_file_is_named_and_what_to_do(tmp_path: Path) -> None:
    landed(tmp_path, DAY)
    (file, *_) = tmp_path.rglob("*.parquet")
    file.write_bytes(b"not Parquet")
    with pytest.raises(CommandError, match=rf"cannot be looked up: .*{file.name}.*leave out --missing"):
        left(tmp_path, DAY)
