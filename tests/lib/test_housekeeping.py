"""A day's rounds become one file, age limits are kept, and nothing else changes."""

from __future__ import annotations

import os
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from pipelines.defs.sources.perfecto_reporting.contract import COMMANDS, TEST_EXECUTIONS
from pipelines.lib import housekeeping, lake_files, replaying
from pipelines.lib.housekeeping import housekeep
from pipelines.lib.lake_files import Partition
from tests.lib.landing_of import answer_of, column, land, land_commands, rows, test
from tests.proofs.observations import LOOKS, files, observe, seen

TODAY = datetime(2026, 3, 10, 12, tzinfo=UTC)
YESTERDAY = TODAY - timedelta(days=1)


def rounds(lake: Path, start: datetime, count: int, *, refused: bool = False) -> None:
    for number in range(count):
        observe(lake, start + timedelta(minutes=5 * number), refused=refused)


def test_the_rounds_of_a_day_that_is_over_become_one_sorted_file_with_every_observation(
    tmp_path: Path,
) -> None:
    rounds(tmp_path, YESTERDAY, 4, refused=True)
    rounds(tmp_path, TODAY, 3)
    before, rejects = seen(tmp_path), seen(tmp_path, table="looks__rejected")
    kept = housekeep(tmp_path, [LOOKS], TODAY)
    assert (kept.compacted, kept.files_before) == (2, 8)
    assert files(tmp_path) == {"2026-03-09": 1, "2026-03-10": 3}
    assert files(tmp_path, "looks__rejected") == {"2026-03-09": 1}
    assert seen(tmp_path) == before
    assert len(before) == 21
    assert seen(tmp_path, table="looks__rejected") == rejects
    assert len(rejects) == 4
    (file,) = tmp_path.glob("made_up/looks/connection=lab/dt=2026-03-09/*.parquet")
    held = pq.read_table(file)
    assert held.schema.equals(LOOKS.schema)
    assert pq.read_metadata(file).row_group(0).column(0).compression == "ZSTD"
    order = [(row["id"], row["_fetched_at"]) for row in held.to_pylist()]
    assert order == sorted(order)


def test_a_day_of_one_file_is_left_alone_and_one_that_a_round_came_late_to_is_put_together_again(
    tmp_path: Path,
) -> None:
    rounds(tmp_path, YESTERDAY, 2)
    housekeep(tmp_path, [LOOKS], TODAY)
    assert housekeep(tmp_path, [LOOKS], TODAY).compacted == 0
    observe(tmp_path, YESTERDAY + timedelta(hours=1))
    assert files(tmp_path) == {"2026-03-09": 2}
    assert housekeep(tmp_path, [LOOKS], TODAY).compacted == 1
    assert len(seen(tmp_path)) == 9


def test_the_open_day_is_put_together_once_it_has_many_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "MOST_FILES_OF_AN_OPEN_DAY", 3)
    rounds(tmp_path, TODAY, 3)
    assert housekeep(tmp_path, [LOOKS], TODAY).compacted == 0
    observe(tmp_path, TODAY + timedelta(hours=1))
    assert housekeep(tmp_path, [LOOKS], TODAY).compacted == 1
    assert len(seen(tmp_path)) == 12


def test_a_replay_takes_the_file_of_many_rounds_as_it_took_theirs(tmp_path: Path) -> None:
    rounds(tmp_path, YESTERDAY, 3, refused=True)
    before = seen(tmp_path)
    housekeep(tmp_path, [LOOKS], TODAY)
    replayed = replaying.replay(
        Partition(tmp_path, "made_up", "looks", "lab", YESTERDAY.date()), LOOKS, LOOKS
    )
    assert (replayed.rows, replayed.is_rewritten) == (9, False)
    assert seen(tmp_path) == before


def test_a_round_that_waited_for_the_folder_lands_in_the_one_that_took_its_place(tmp_path: Path) -> None:
    """As a lock is one of the folder that was there when it was asked for."""
    folder, other = tmp_path / "day", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    handle = os.open(folder, os.O_RDONLY)
    real, came = lake_files.fcntl.flock, []

    def replaced_meanwhile(*arguments: int) -> None:
        real(*arguments)
        if not came:
            came.append(True)
            lake_files.publish_folder(other, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lake_files.fcntl, "flock", replaced_meanwhile)
        with lake_files.locked(folder):
            patch.undo()
            now = os.open(folder, os.O_RDONLY)
            with pytest.raises(BlockingIOError):
                real(now, lake_files.fcntl.LOCK_EX | lake_files.fcntl.LOCK_NB)
    assert not os.path.samestat(os.fstat(handle), folder.stat())


def test_a_round_that_comes_while_its_day_is_exchanged_is_not_thrown_away_with_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(tmp_path, YESTERDAY, 2)
    late = threading.Thread(target=observe, args=(tmp_path, YESTERDAY + timedelta(hours=1)))
    exchange = lake_files.publish_folder

    def while_a_round_comes(*folders: Path) -> None:
        late.start()
        late.join(timeout=1.5)  # it waits for us: without a lock it would be done by now
        exchange(*folders)

    monkeypatch.setattr(lake_files, "publish_folder", while_a_round_comes)
    housekeep(tmp_path, [LOOKS], TODAY)
    late.join()
    assert len(seen(tmp_path)) == 9


def test_what_somebody_put_into_a_day_is_named_and_not_thrown_away(tmp_path: Path) -> None:
    rounds(tmp_path, YESTERDAY, 2)
    notes = tmp_path / "made_up" / "looks" / "connection=lab" / "dt=2026-03-09" / "notes.txt"
    notes.write_text("mine")
    rounds(tmp_path, YESTERDAY - timedelta(days=1), 2)
    kept = housekeep(tmp_path, [LOOKS], TODAY)
    assert [problem.partition(": ")[2] for problem in kept.problems] == [
        "notes.txt is not ours; move it elsewhere"
    ]
    assert notes.exists()
    assert files(tmp_path) == {"2026-03-08": 1, "2026-03-09": 2}
    assert len(seen(tmp_path)) == 12


def damage(file: Path, how: str) -> None:
    content = file.read_bytes()
    end = len(content)
    file.write_bytes(
        {
            "empty": b"",
            "cut short": content[: end // 2],
            "overwritten": content[:4] + bytes(end // 3) + content[4 + end // 3 :],
            "another footer": content[:-200] + b"\1" * 150 + content[-50:],
        }[how]
    )


@pytest.mark.parametrize("how", ["empty", "cut short", "overwritten", "another footer"])
def test_a_damaged_file_is_named_and_keeps_nothing_else_from_being_tidied(tmp_path: Path, how: str) -> None:
    for days in range(1, 4):
        rounds(tmp_path, TODAY - timedelta(days=days), 2)
        land(tmp_path, answer_of([test("a")]), day=TODAY.date() - timedelta(days=days))
    damaged = min(tmp_path.glob("made_up/looks/connection=lab/dt=2026-03-08/*.parquet"))
    damage(damaged, how)
    other = tmp_path / "perfecto_reporting/test_executions/connection=acme/dt=2026-03-07/data.parquet"
    damage(other, how)
    kept = housekeep(tmp_path, [LOOKS, TEST_EXECUTIONS], TODAY, keep_raw_days=0)
    assert sorted(problem.partition(" ")[0] for problem in kept.problems) == sorted(
        map(str, (damaged, other))
    )
    for problem in kept.problems:
        assert "move it out of the lake" in problem
        assert "\n" not in problem
    assert files(tmp_path) == {"2026-03-07": 1, "2026-03-08": 2, "2026-03-09": 1}
    assert kept.compacted == 2
    tests = [
        pq.read_table(file)["_raw"].null_count
        for file in sorted(tmp_path.glob("perfecto_reporting/test_executions/connection=acme/dt=*/*"))
        if file != other
    ]
    assert tests == [1, 1]


def test_what_is_no_damaged_file_is_told_with_its_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(tmp_path, YESTERDAY, 2)

    def refuse(*_: object) -> None:
        raise duckdb.OutOfMemoryException("Out of Memory Error:\n  failed to allocate")

    monkeypatch.setattr(housekeeping, "_write_in_one", refuse)
    (problem,) = housekeep(tmp_path, [LOOKS], TODAY).problems
    folder = tmp_path / "made_up/looks/connection=lab/dt=2026-03-09"
    assert problem == f"{folder}: Out of Memory Error: failed to allocate; left as it was"


def test_where_folders_cannot_be_exchanged_the_rounds_stay_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(tmp_path, YESTERDAY, 2)
    monkeypatch.setattr(lake_files, "_SWAP", 1 << 30)
    (problem,) = housekeep(tmp_path, [LOOKS], TODAY).problems
    assert "cannot be exchanged with another folder" in problem
    assert files(tmp_path) == {"2026-03-09": 2}


def test_nothing_is_put_in_place_that_has_not_every_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(tmp_path, YESTERDAY, 2)
    monkeypatch.setattr(housekeeping, "conforming", lambda batch, _: batch.slice(1))
    monkeypatch.setattr(housekeeping.pq.ParquetWriter, "write_batch", lambda *_: None)
    real = housekeeping.pq.read_metadata
    monkeypatch.setattr(
        housekeeping.pq, "read_metadata", lambda file: type("M", (), {"num_rows": real(file).num_rows + 1})
    )
    (problem,) = housekeep(tmp_path, [LOOKS], TODAY).problems
    assert "left as it was" in problem
    assert files(tmp_path) == {"2026-03-09": 2}


def test_without_limits_no_partition_and_no_record_goes(tmp_path: Path) -> None:
    observe(tmp_path, TODAY - timedelta(days=4_000))
    assert housekeep(tmp_path, [LOOKS], TODAY) == housekeeping.Kept()
    assert all(raw for (raw,) in seen(tmp_path, "_raw"))


def test_past_the_limit_a_day_goes_with_its_rejects_children_and_journal(tmp_path: Path) -> None:
    old, young = date(2026, 3, 1), date(2026, 3, 2)
    for day in (old, young):
        land(tmp_path, answer_of([test("a", platforms=[{"deviceId": "x"}]), test("b", name=5)]), day=day)
    journal = Partition(tmp_path, COMMANDS.source, COMMANDS.name, "acme", old).journal
    journal.mkdir(parents=True)
    (journal / "1.rows.parquet").write_bytes(b"")
    now = datetime(2026, 3, 11, 3, tzinfo=UTC)
    assert housekeep(tmp_path, [TEST_EXECUTIONS, COMMANDS], now, keep_days=9).removed == 3
    days = {path.parent.name for path in tmp_path.glob("perfecto_reporting/*/connection=acme/dt=*/*.parquet")}
    assert days == {"dt=2026-03-02"}
    assert len(rows(tmp_path, "platforms")) == 1
    land_commands(tmp_path, ("a", None))
    assert housekeep(tmp_path, [TEST_EXECUTIONS, COMMANDS], now, keep_days=8).removed == 4
    assert not list(tmp_path.glob("perfecto_reporting/*/connection=acme/dt=*"))


def test_past_the_limit_rows_lose_their_record_and_nothing_else(tmp_path: Path) -> None:
    land(tmp_path, answer_of([test("a"), test("b", name=5)]))
    before = [{**row, "_raw": None} for row in rows(tmp_path, "test_executions")]
    now = datetime(2026, 3, 11, 3, tzinfo=UTC)
    assert housekeep(tmp_path, [TEST_EXECUTIONS], now, keep_raw_days=9).without_raw == 0
    assert housekeep(tmp_path, [TEST_EXECUTIONS], now, keep_raw_days=8).without_raw == 2
    assert rows(tmp_path, "test_executions") == before
    (reject,) = rows(tmp_path, "test_executions__rejected")
    assert reject["_raw"] is None
    assert reject["error"]
    assert housekeep(tmp_path, [TEST_EXECUTIONS], now, keep_raw_days=8).without_raw == 0
    replayed = replaying.replay(
        Partition(tmp_path, TEST_EXECUTIONS.source, TEST_EXECUTIONS.name, "acme", date(2026, 3, 2)),
        TEST_EXECUTIONS,
        TEST_EXECUTIONS,
    )
    assert replayed.without_raw == 1
    land(tmp_path, answer_of([test("a")], hour=1))
    assert column(tmp_path, "test_executions", "_raw")["a"]


def test_an_empty_folder_of_a_process_killed_while_it_made_it_goes_after_an_hour(tmp_path: Path) -> None:
    work = tmp_path / ".landing" / "work"
    for name in (".young", ".old"):
        (work / name).mkdir(parents=True)
    os.utime(work / ".old", (0, 0))
    with lake_files.workspace(tmp_path):
        assert {folder.name for folder in work.iterdir()} >= {".young"}
        assert not (work / ".old").exists()


def test_a_lake_that_is_not_there_needs_no_housekeeping(tmp_path: Path) -> None:
    assert housekeep(tmp_path / "none", [LOOKS], TODAY) == housekeeping.Kept()
    assert not (tmp_path / "none").exists()
