"""What repeated, late, partial and broken answers do to a partition."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.defs.sources.enterprise_tester.contract import SCRIPT_RUNS, ProjectPlace
from pipelines.defs.sources.perfecto_reporting.contract import COMMANDS
from pipelines.lib import buffer, merging, runs
from pipelines.lib.answer import Answer
from pipelines.lib.lake_files import Partition, locked
from pipelines.lib.source_errors import SourceUnavailable
from tests.lib.landing_of import (
    DAY,
    FIRST_ASKED,
    NOON,
    answer_of,
    as_bytes,
    column,
    land,
    land_commands,
    missing,
    rows,
    test,
)


def test_a_record_keeps_its_bytes_its_time_of_fetching_and_its_typed_columns(tmp_path: Path) -> None:
    record = (
        b'{"id": "a",  "startTime":1772452800000, "endTime": 1772452801500, "job": {"number": 45}, "x":1.50}'
    )
    land(tmp_path, answer_of([record]))
    (row,) = rows(tmp_path, "test_executions")
    assert row["_raw"] == record.decode()
    assert row["_fetched_at"] == FIRST_ASKED
    assert row["job_number"] == 45
    assert (row["end_time"] - row["start_time"]) == timedelta(seconds=1.5)
    assert row["_issues"] == []
    assert row["_missing_since"] is None


def test_a_new_answer_wins_by_key_and_leaves_the_others(tmp_path: Path) -> None:
    land(tmp_path, answer_of([test("a"), test("b")]))
    landed = land(tmp_path, answer_of([test("b", status="FAILED"), test("c")], hour=1, complete=False))
    assert column(tmp_path, "test_executions", "status") == {"a": "PASSED", "b": "FAILED", "c": "PASSED"}
    assert missing(tmp_path) == set()
    outcome = landed["test_executions"]
    assert (outcome.rows, outcome.added, outcome.changed, outcome.missing) == (3, 1, 1, 0)


def test_what_a_complete_answer_no_longer_lists_stays_and_says_since_when(tmp_path: Path) -> None:
    land(tmp_path, answer_of([test("a"), test("b")]))
    land(tmp_path, answer_of([test("a")], hour=1))
    land(tmp_path, answer_of([test("a")], hour=2))
    assert column(tmp_path, "test_executions", "_missing_since") == {
        "a": None,
        "b": FIRST_ASKED + timedelta(hours=1),
    }


def test_what_is_listed_again_is_no_longer_missing(tmp_path: Path) -> None:
    for hour, listed in enumerate((["a", "b"], ["a"], ["a", "b"])):
        landed = land(tmp_path, answer_of([test(name) for name in listed], hour=hour))
    assert missing(tmp_path) == set()
    assert landed["test_executions"].changed == 1


def test_an_incomplete_or_empty_answer_takes_nothing_away(tmp_path: Path) -> None:
    land(tmp_path, answer_of([test("a"), test("b")]))
    land(tmp_path, answer_of([test("a")], hour=1, complete=False))
    land(tmp_path, answer_of(hour=2, complete=False))
    assert missing(tmp_path) == set()
    assert len(rows(tmp_path, "test_executions")) == 2


def test_a_complete_answer_without_records_makes_all_missing_and_loses_none(tmp_path: Path) -> None:
    land(tmp_path, answer_of([test("a"), test("b")]))
    land(tmp_path, answer_of(hour=1))
    assert missing(tmp_path) == {"a", "b"}


def test_an_answer_that_says_the_same_leaves_the_file_alone(tmp_path: Path) -> None:
    land(tmp_path, answer_of([test("a"), test("b")]))
    before = _files(tmp_path)
    landed = land(tmp_path, answer_of([test("b"), test("a")], hour=1))
    assert not landed["test_executions"].is_rewritten
    assert _files(tmp_path) == before


def test_an_older_answer_that_commits_late_changes_nothing_newer(tmp_path: Path) -> None:
    land(tmp_path, answer_of([test("a", status="FAILED"), test("new")], hour=2))
    land(tmp_path, answer_of([test("a", status="UNKNOWN")], hour=1))
    assert column(tmp_path, "test_executions", "status") == {"a": "FAILED", "new": "PASSED"}
    assert missing(tmp_path) == set()


def test_of_two_records_with_one_key_in_an_answer_the_last_stays_with_its_own_children(
    tmp_path: Path,
) -> None:
    first = test("a", status="UNKNOWN", platforms=[{"deviceId": "x"}, {"deviceId": "y"}])
    landed = land(tmp_path, answer_of([first], [test("a", platforms=[{"deviceId": "z"}])]))
    assert column(tmp_path, "test_executions", "status") == {"a": "PASSED"}
    assert [row["device_id"] for row in rows(tmp_path, "platforms")] == ["z"]
    assert landed["test_executions"].duplicates == 1


def test_children_go_missing_only_with_a_parent_that_was_answered(tmp_path: Path) -> None:
    devices = [{"deviceId": "x"}, {"deviceId": "y"}]
    land(tmp_path, answer_of([test("a", platforms=devices), test("b", platforms=devices)]))
    land(tmp_path, answer_of([test("a", platforms=devices[:1])], hour=1))
    gone = {
        (row["test_execution_id"], row["platform_index"])
        for row in rows(tmp_path, "platforms")
        if row["_missing_since"]
    }
    assert gone == {("a", 1)}
    assert missing(tmp_path) == {"b"}


def test_runs_of_parents_that_were_not_answered_are_not_missing(tmp_path: Path) -> None:
    runs = [
        {"Id": name, "AssignmentId": owner} for name, owner in (("r1", "one"), ("r2", "one"), ("r3", "two"))
    ]
    shop = ProjectPlace("P", "Shop")
    land(tmp_path, answer_of(runs, place=shop), SCRIPT_RUNS)
    land(tmp_path, answer_of(runs[:1], hour=1, complete=False, answered={"one"}, place=shop), SCRIPT_RUNS)
    gone = {row["id"] for row in rows(tmp_path, "script_runs", "enterprise_tester") if row["_missing_since"]}
    assert gone == {"r2"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"id": 5}', "Expected `str`, got `int`"),
        (b'{"id": ""}', "length >= 1"),
        (b'{"name": "no id"}', "missing required field `id`"),
        (b'{"id": "x", "tags": {"a": 1}}', "Expected `array | null`, got `object`"),
        (b'["not", "an", "object"]', "Expected `object`"),
        (b'{"id": "x", "name": "\xff"}', "not JSON text"),
        (b"[" * 5000 + b"]" * 5000, "Expected `object`"),
    ],
)
def test_a_record_that_cannot_be_typed_refuses_itself_alone(tmp_path: Path, bad: bytes, reason: str) -> None:
    landed = land(tmp_path, answer_of([test("a"), bad, test("b")]))
    assert column(tmp_path, "test_executions", "status") == {"a": "PASSED", "b": "PASSED"}
    (refused,) = rows(tmp_path, "test_executions__rejected")
    assert reason in refused["error"]
    assert landed["test_executions"].rejected == 1


def test_a_platform_that_cannot_be_typed_leaves_its_test_and_its_neighbours(tmp_path: Path) -> None:
    land(tmp_path, answer_of([test("a", platforms=[{"deviceId": "x"}, {"deviceId": 7}, {"deviceId": "z"}])]))
    assert column(tmp_path, "test_executions", "status") == {"a": "PASSED"}
    assert [(row["platform_index"], row["device_id"]) for row in rows(tmp_path, "platforms")] == [
        (0, "x"),
        (2, "z"),
    ]
    (refused,) = rows(tmp_path, "platforms__rejected")
    assert json.loads(refused["_place"]) == {"test_execution_id": "a", "platform_index": 1}
    assert refused["_raw"] == '{"deviceId": 7}'


def test_rejects_are_replaced_with_their_day_but_kept_by_an_incomplete_answer(tmp_path: Path) -> None:
    land(tmp_path, answer_of([{"id": 1}, {"id": 2}]))
    land(tmp_path, answer_of([{"id": 3}], hour=1, complete=False))
    assert {row["_raw"] for row in rows(tmp_path, "test_executions__rejected")} == {
        '{"id": 1}',
        '{"id": 2}',
        '{"id": 3}',
    }
    land(tmp_path, answer_of([{"id": 3}], hour=2))
    assert {row["_raw"] for row in rows(tmp_path, "test_executions__rejected")} == {'{"id": 3}'}
    land(tmp_path, answer_of([test("a")], hour=3))
    assert rows(tmp_path, "test_executions__rejected") == []


def test_a_record_that_was_listed_but_refused_is_not_missing(tmp_path: Path) -> None:
    land(tmp_path, answer_of([test("a"), test("b")]))
    land(tmp_path, answer_of([test("a", tags="not a list")], hour=1))
    assert missing(tmp_path) == {"b"}


def test_a_field_that_nobody_declared_is_counted_by_its_path_and_kept(tmp_path: Path) -> None:
    odd = test(
        "a", job={"name": "n", "colour": "red"}, novelty=[1], videos=[{"format": "MP4", "codec": "h264"}]
    )
    landed = land(tmp_path, answer_of([odd, test("b", novelty=2), test("c")]))
    assert dict(landed["test_executions"].undeclared) == {"job.colour": 1, "novelty": 2, "videos[].codec": 1}
    assert '"colour": "red"' in column(tmp_path, "test_executions", "_raw")["a"]
    assert landed["test_executions"].rejected == 0


def test_a_second_field_that_nobody_declared_is_counted_after_a_thousand_records_with_the_first(
    tmp_path: Path,
) -> None:
    pages = [[test(f"{page}-{n}", novelty=1) for n in range(500)] for page in range(3)]
    landed = land(tmp_path, answer_of(*pages, [test("z", other=1)]))
    assert landed["test_executions"].undeclared.keys() == {"novelty", "other"}


def test_more_rejects_than_fit_in_memory_are_kept_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "_MEMORY", "64MB")
    monkeypatch.setattr(buffer, "_REFUSED_BYTES", 1 << 20)
    bad = [test(f"{n:05d}", name=5, message=f"{n:06d}" * 1000) for n in range(12_000)]
    pages = [bad[at : at + 500] for at in range(0, len(bad), 500)]
    for hour in range(2):
        landed = land(tmp_path, answer_of(*pages, pages[0], [test("good")], hour=hour))["test_executions"]
        assert (landed.rows, landed.rejected) == (1, 12_500)
        assert sorted(row["_key"] for row in rows(tmp_path, "test_executions__rejected")) == [
            f'["{n:05d}"]' for n in range(12_000)
        ]


def test_every_table_can_be_queried_before_it_has_a_row(tmp_path: Path) -> None:
    land(tmp_path, answer_of())
    for table in ("test_executions", "platforms", "test_executions__rejected", "platforms__rejected"):
        assert (
            tmp_path / "perfecto_reporting" / table / "connection=_/dt=1970-01-01/schema.parquet"
        ).exists()
        assert rows(tmp_path, table) == []


def test_a_source_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    land(tmp_path, answer_of([test("a")]))
    before = _files(tmp_path)

    async def failing(answer: Answer):
        async for page in answer_of([test("b")]).pages(answer):
            yield page
        raise SourceUnavailable("gone")

    with pytest.raises(SourceUnavailable):
        land(tmp_path, Answer(failing, FIRST_ASKED))
    assert _files(tmp_path) == before
    assert list((tmp_path / ".landing").rglob("*.parquet")) == []


def test_large_answers_are_spilled_and_come_out_whole_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, "_BATCH_ROWS", 50)
    monkeypatch.setattr(buffer, "_RUN_BYTES", 20_000)
    monkeypatch.setattr(merging, "_ORDER_ROWS", 64)
    monkeypatch.setattr(runs, "_BATCH_BYTES", 4_000)
    names = [f"{n * 7919 % 1000:04d}" for n in range(1000)]
    pages = [
        [test(name, platforms=[{"deviceId": name}]) for name in names[n : n + 100]]
        for n in range(0, 1000, 100)
    ]
    landed = land(tmp_path, answer_of(*pages))
    assert landed["test_executions"].rows == landed["platforms"].rows == 1000
    assert [row["id"] for row in rows(tmp_path, "test_executions")] == sorted(names)
    again = land(tmp_path, answer_of(*pages[:9], [test("0000", status="FAILED")], hour=1))
    assert again["test_executions"].missing == 100 - (1 if "0000" in names[900:] else 0)
    assert [row["id"] for row in rows(tmp_path, "test_executions")] == sorted(names)


_NAMES = st.sampled_from(["a", "b", "c", "d"])
_RECORDS = st.builds(
    lambda name, status, devices: test(name, status=status, platforms=[{"deviceId": d} for d in devices]),
    _NAMES,
    st.sampled_from(["PASSED", "FAILED"]),
    st.lists(st.sampled_from(["x", "y"]), max_size=2),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    answers=st.lists(
        st.tuples(st.lists(_RECORDS, unique_by=lambda r: r["id"], max_size=4), st.booleans()),
        min_size=1,
        max_size=3,
    ),
    data=st.data(),
)
def test_answers_landed_again_in_any_order_after_the_newest_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, answers: list, data: st.DataObject
) -> None:
    lake = tmp_path_factory.mktemp("lake")
    made = [
        answer_of(records, hour=hour, complete=complete) for hour, (records, complete) in enumerate(answers)
    ]
    for answer in made:
        land(lake, answer)
    tables = ("test_executions", "platforms")
    before = [rows(lake, table) for table in tables]
    for index in data.draw(st.lists(st.integers(0, len(made) - 1), max_size=3)):
        land(lake, made[index])
    assert [rows(lake, table) for table in tables] == before


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations([test(name, platforms=[{"deviceId": name}]) for name in "abcdef"]), st.integers(1, 6))
def test_the_order_of_records_and_pages_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, records: list, size: int
) -> None:
    lake = tmp_path_factory.mktemp("lake")
    pages = [records[n : n + size] for n in range(0, len(records), size)]
    land(lake, answer_of(*pages, records[:2]))  # the last page repeats what came before
    assert [row["id"] for row in rows(lake, "test_executions")] == list("abcdef")
    assert [row["_raw"] for row in rows(lake, "test_executions")] == [
        as_bytes(test(name, platforms=[{"deviceId": name}])).decode() for name in "abcdef"
    ]
    assert len(rows(lake, "platforms")) == 6


STEPS = [
    {"testExecutionId": "a", "commands": [{"name": "open", "status": "SUCCESS", "startTime": NOON}]},
    {"testExecutionId": "a", "name": "Test step", "commands": [{"name": "type"}, {"name": "find"}]},
    {"testExecutionId": "a", "name": "Clean up", "startTime": NOON, "endTime": NOON + 5},
]


def _places(lake: Path) -> list[tuple[object, ...]]:
    keys = ("test_execution_id", "step_index", "command_index", "step_name", "name")
    return [
        tuple(row[key] for key in keys) for row in rows(lake, "commands") if row["_missing_since"] is None
    ]


def test_commands_are_placed_by_step_and_order_and_a_step_without_any_is_one_row(tmp_path: Path) -> None:
    land_commands(tmp_path, ("a", STEPS), ("b", []))
    assert _places(tmp_path) == [
        ("a", 0, 0, None, "open"),
        ("a", 1, 0, "Test step", "type"),
        ("a", 1, 1, "Test step", "find"),
        ("a", 2, None, "Clean up", None),
        ("b", None, None, None, None),
    ]


def test_commands_that_a_later_answer_on_the_same_test_lacks_are_missing_and_others_are_not(
    tmp_path: Path,
) -> None:
    land_commands(tmp_path, ("a", STEPS), ("b", STEPS))
    land_commands(tmp_path, ("a", STEPS[:1]), hour=1, state="FAILED/2")
    assert [place[:3] for place in _places(tmp_path)] == [
        ("a", 0, 0),
        ("b", 0, 0),
        ("b", 1, 0),
        ("b", 1, 1),
        ("b", 2, None),
    ]


def test_a_test_whose_commands_are_gone_keeps_those_that_are_held(tmp_path: Path) -> None:
    land_commands(tmp_path, ("a", STEPS))
    land_commands(tmp_path, ("a", None), hour=1)
    assert [place[:3] for place in _places(tmp_path)] == [
        ("a", None, None),
        ("a", 0, 0),
        ("a", 1, 0),
        ("a", 1, 1),
        ("a", 2, None),
    ]
    (marker,) = [row for row in rows(tmp_path, "commands") if row["_issues"]]
    assert marker["_issues"] == ["not_available"]


def test_what_another_landing_has_merged_meanwhile_is_not_looked_for(tmp_path: Path) -> None:
    commands = Partition(tmp_path, COMMANDS.source, COMMANDS.name, "acme", DAY)
    with ThreadPoolExecutor(2) as both:
        with locked(commands.folder):
            landings = [both.submit(land_commands, tmp_path, (name, STEPS[:1])) for name in "ab"]
            while len(list(commands.journal.glob("*.rows.arrow"))) < 2:
                assert wait(landings, timeout=0.01).not_done == set(landings)
        assert sorted(landing.result().added for landing in landings) == [0, 2]
    assert [place[:3] for place in _places(tmp_path)] == [("a", 0, 0), ("b", 0, 0)]


def _files(lake: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(file.relative_to(lake)): (file.stat().st_mtime_ns, file.read_bytes())
        for file in sorted(lake.rglob("*.parquet"))
    }
