"""A replay derives typed rows anew from `_raw`, moves what a contract takes or refuses now, and touches nothing else."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from pipelines.defs.sources.enterprise_tester.contract import SCRIPT_RUNS, ProjectPlace
from pipelines.defs.sources.perfecto_live.contract import EXECUTIONS, Execution
from pipelines.defs.sources.perfecto_reporting.contract import (
    COMMANDS,
    PLATFORMS,
    TEST_EXECUTIONS,
    Command,
    Platform,
    TestExecution,
)
from pipelines.lib import landing, replaying
from pipelines.lib.contract import Child, Table
from pipelines.lib.redaction import Redaction
from pipelines.lib.replaying import Replayed, partitions_of
from tests.lib.landing_of import (
    FIRST_ASKED,
    NOON,
    answer_of,
    column,
    commands_answer,
    land,
    land_commands,
    missing,
    rows,
    test,
)

STEPS = [
    {"commands": [{"name": "open", "status": "SUCCESS", "startTime": NOON}]},
    {
        "name": "Test step",
        "startTime": 77,
        "endTime": "odd",
        "commands": [{"name": "type"}, {"name": "find"}],
    },
    {"name": "Clean up", "startTime": NOON, "endTime": NOON - 5},
]


def replay(lake: Path, *tables: Table) -> list[Replayed]:
    """Replays every partition of these tables, the first of which lands the others."""
    return [
        replaying.replay(partition, table, tables[0])
        for table in tables
        for partition in partitions_of(lake, table)
    ]


def files(lake: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(file.relative_to(lake)): (file.stat().st_mtime_ns, file.read_bytes())
        for file in sorted(lake.rglob("*.parquet"))
    }


def observe(lake: Path, *records: dict[str, Any], hour: int = 0) -> None:
    """One observation of what runs now."""
    asyncio.run(landing.append(lake, EXECUTIONS, "acme", answer_of(list(records), hour=hour), 300))


def without_field(record: type[msgspec.Struct], name: str) -> type[msgspec.Struct]:
    """The same Struct, as it was before somebody declared this field."""
    members = [
        (m.name, m.type, msgspec.field(name=m.encode_name, default=m.default))
        for m in msgspec.structs.fields(record)
        if m.name != name
    ]
    return msgspec.defstruct(record.__name__, members, gc=False, kw_only=True)


def with_type(record: type[msgspec.Struct], **types: Any) -> type[msgspec.Struct]:
    """The same Struct with fields of other types."""
    members = [
        (m.name, types.get(m.name, m.type), msgspec.field(name=m.encode_name, default=m.default))
        for m in msgspec.structs.fields(record)
    ]
    return msgspec.defstruct(record.__name__, members, gc=False, kw_only=True)


def test_an_untouched_lake_stays_as_it_is_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "_BATCH_ROWS", 3)
    odd = [
        test("late", startTime=NOON + 86_400_000),
        test("future", startTime=15_238_557_905_579, endTime=0),
        test("seconds", startTime=1_523_845_681, endTime=NOON),
        test("text", job={"number": "45"}, uxDuration=1.5, tags=["x", None], videos=[{"startTime": 5}]),
        test("with devices", platforms=[{"deviceId": "x", "imei": "351", "selectionCriteria": {"a": 1}}, {}]),
        {"id": 7},
        b'{"id": "bytes", "name": "\xff"}',
    ]
    land(tmp_path, answer_of([*odd, test("gone", platforms=[{"deviceId": 5}])]))
    land(tmp_path, answer_of(odd, hour=30))
    land_commands(tmp_path, ("a", STEPS), ("b", []), ("c", None), ("d", [{"commands": "none"}]))
    land_commands(tmp_path, ("a", STEPS[:1]), hour=1, state="FAILED/2")
    run = {
        "Id": "R1",
        "AssignmentId": "one",
        "CreatedAt": "2026-03-02T15:05:06Z",
        "ScriptVersion": "2.5",
        "StepResults": [{"Id": "s"}],
    }
    land(tmp_path, answer_of([run], place=ProjectPlace("P", "Shop")), SCRIPT_RUNS)
    observe(
        tmp_path, {"id": "e", "startTime": NOON, "platforms": [{"id": "d", "mobileInfo": {"model": "m"}}]}
    )
    observe(tmp_path, {"id": 5}, hour=1)
    before = files(tmp_path)
    for tables in ((TEST_EXECUTIONS, PLATFORMS), (COMMANDS,), SCRIPT_RUNS.tables, (EXECUTIONS,)):
        for replayed in replay(tmp_path, *tables):
            assert (replayed.is_rewritten, replayed.accepted, replayed.refused) == (False, 0, 0)
    assert files(tmp_path) == before


def test_a_column_that_was_declared_later_is_filled_for_all_of_history(tmp_path: Path) -> None:
    earlier = replace(TEST_EXECUTIONS, record=without_field(TestExecution, "owner"))
    land(tmp_path, answer_of([test("a", owner="Ann"), test("b", owner="Bob"), test("c")]), earlier)
    land(tmp_path, answer_of([test("a", owner="Ann")], hour=1), earlier)
    assert "owner" not in rows(tmp_path, "test_executions")[0]
    fetched = column(tmp_path, "test_executions", "_fetched_at")

    (replayed,) = replay(tmp_path, TEST_EXECUTIONS)

    assert (replayed.rows, replayed.is_rewritten) == (3, True)
    assert column(tmp_path, "test_executions", "owner") == {"a": "Ann", "b": "Bob", "c": None}
    assert column(tmp_path, "test_executions", "_fetched_at") == fetched
    assert missing(tmp_path) == {"b", "c"}
    schema = tmp_path / "perfecto_reporting/test_executions/connection=_/dt=1970-01-01/schema.parquet"
    assert "owner" in pq.read_schema(schema).names
    assert not replay(tmp_path, TEST_EXECUTIONS)[0].is_rewritten


def test_a_column_of_another_type_is_read_anew_from_the_record(tmp_path: Path) -> None:
    earlier = replace(
        TEST_EXECUTIONS, record=with_type(TestExecution, job=msgspec.Raw | None, name=msgspec.Raw)
    )
    land(
        tmp_path, answer_of([test("a", job={"name": "nightly", "number": 45}), test("b", name=None)]), earlier
    )
    assert "job" in rows(tmp_path, "test_executions")[0]
    replay(tmp_path, TEST_EXECUTIONS)
    assert column(tmp_path, "test_executions", "job_number") == {"a": 45, "b": None}
    assert column(tmp_path, "test_executions", "name") == {"a": "checkout pays", "b": None}
    strict = replace(TEST_EXECUTIONS, record=with_type(TestExecution, name=int | None))
    (refusing,) = replay(tmp_path, strict)
    assert (refusing.rows, refusing.refused) == (1, 1)
    (taking,) = replay(tmp_path, TEST_EXECUTIONS)
    assert (taking.rows, taking.accepted) == (2, 1)
    assert column(tmp_path, "test_executions", "name") == {"a": "checkout pays", "b": None}


def test_what_was_refused_and_is_taken_now_moves_into_the_table_with_its_children(tmp_path: Path) -> None:
    strict = replace(TEST_EXECUTIONS, record=with_type(TestExecution, owner=int | None))
    devices = [{"deviceId": "x"}, {"deviceId": 7}]
    land(tmp_path, answer_of([test("a", owner=1), test("b", owner="Bob", platforms=devices)]), strict)
    assert set(column(tmp_path, "test_executions", "id")) == {"a"}

    lenient = replace(TEST_EXECUTIONS, record=with_type(TestExecution, owner=str | int | None))
    monkey = replace(lenient, record=TestExecution)
    first, *_ = replay(tmp_path, monkey, PLATFORMS)

    assert (first.accepted, first.refused) == (1, 1)  # Bob's is taken; a number for an owner no longer is
    assert column(tmp_path, "test_executions", "owner") == {"b": "Bob"}
    assert column(tmp_path, "test_executions", "_fetched_at") == {"b": FIRST_ASKED}
    assert [(row["test_execution_id"], row["device_id"]) for row in rows(tmp_path, "platforms")] == [
        ("b", "x")
    ]
    (refused,) = rows(tmp_path, "test_executions__rejected")
    assert json.loads(refused["_raw"])["id"] == "a"
    assert "owner" in refused["error"]
    assert refused["_fetched_at"] == FIRST_ASKED
    (child,) = rows(tmp_path, "platforms__rejected")
    assert child["_raw"] == '{"deviceId": 7}'


def test_a_refused_child_is_taken_in_its_own_place(tmp_path: Path) -> None:
    strict = replace(PLATFORMS, record=with_type(Platform, device_id=int | None))
    parent = replace(
        TEST_EXECUTIONS,
        nested=(Child(strict, "platforms", TEST_EXECUTIONS.nested[0].place),),
    )
    land(tmp_path, answer_of([test("a", platforms=[{"deviceId": "x"}, {}, {"deviceId": "z"}])]), parent)
    assert len(rows(tmp_path, "platforms")) == 1

    replay(tmp_path, TEST_EXECUTIONS, PLATFORMS)

    found = [(row["platform_index"], row["device_id"]) for row in rows(tmp_path, "platforms")]
    assert found == [(0, "x"), (1, None), (2, "z")]
    assert rows(tmp_path, "platforms__rejected") == []


def test_refused_commands_and_steps_come_back_in_their_place(tmp_path: Path) -> None:
    strict = replace(COMMANDS, record=with_type(Command, name=int | None))
    land(tmp_path, commands_answer(("a", STEPS)), strict)
    assert len(rows(tmp_path, "commands__rejected")) == 3
    land_commands(tmp_path, ("b", [STEPS[0], {"commands": "none"}]))

    (replayed,) = replay(tmp_path, COMMANDS)

    assert replayed.accepted == 3
    places = [
        (r["test_execution_id"], r["step_index"], r["command_index"], r["name"])
        for r in rows(tmp_path, "commands")
    ]
    assert places == [
        ("a", 0, 0, "open"),
        ("a", 1, 0, "type"),
        ("a", 1, 1, "find"),
        ("a", 2, None, None),
        ("b", 0, 0, "open"),
    ]
    of_second_step = rows(tmp_path, "commands")[1]
    assert (of_second_step["step_name"], of_second_step["step_start_time_number"]) == ("Test step", 77)
    assert of_second_step["_test_state"] == "PASSED/1"
    (step,) = rows(tmp_path, "commands__rejected")
    assert json.loads(step["_place"])["step_index"] == 1


def test_a_held_row_that_is_newer_than_an_accepted_reject_stays(tmp_path: Path) -> None:
    strict = replace(TEST_EXECUTIONS, record=with_type(TestExecution, owner=int | None))
    land(tmp_path, answer_of([test("a", owner="old")]), strict)
    land(tmp_path, answer_of([test("a", owner=2)], hour=1, complete=False), strict)
    lenient = replace(TEST_EXECUTIONS, record=with_type(TestExecution, owner=str | int | None))
    raw_only = replace(lenient, record=without_field(TestExecution, "owner"))
    (replayed,) = replay(tmp_path, raw_only)
    assert replayed.accepted == 1
    assert '"owner": 2' in column(tmp_path, "test_executions", "_raw")["a"]


def test_observations_are_derived_anew_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = replace(EXECUTIONS, record=with_type(Execution, owner=int | None))
    for hour, owner in enumerate((1, "Ann", "Bob")):
        answer = answer_of([{"id": "e", "owner": owner}, {"id": "f"}], hour=hour)
        asyncio.run(landing.append(tmp_path, strict, "acme", answer, 300))
    assert len(rows(tmp_path, "executions", "perfecto_live")) == 4

    (replayed,) = replay(tmp_path, EXECUTIONS)

    assert (replayed.accepted, replayed.refused, replayed.rows) == (2, 1, 5)
    found = {(r["_fetched_at"], r["id"], r["owner"]) for r in rows(tmp_path, "executions", "perfecto_live")}
    hours = [FIRST_ASKED + timedelta(hours=hour) for hour in range(3)]
    assert found == {
        (hours[0], "f", None),
        (hours[1], "e", "Ann"),
        (hours[1], "f", None),
        (hours[2], "e", "Bob"),
        (hours[2], "f", None),
    }
    assert {r["_interval_seconds"] for r in rows(tmp_path, "executions", "perfecto_live")} == {300}
    assert len(rows(tmp_path, "executions__rejected", "perfecto_live")) == 1
    assert not replay(tmp_path, EXECUTIONS)[0].is_rewritten


def test_what_was_accepted_of_an_observation_stays_when_more_of_it_is(tmp_path: Path) -> None:
    odd = [{"id": "a"}, {"id": "b", "name": 5}, {"id": "c", "name": "n", "owner": 7}]
    observe(tmp_path, *odd)
    first = replace(EXECUTIONS, record=with_type(Execution, name=msgspec.Raw))
    second = replace(EXECUTIONS, record=with_type(Execution, name=msgspec.Raw, owner=msgspec.Raw))
    for table, kept in ((first, "ab"), (second, "abc")):
        replay(tmp_path, table)
        assert sorted(row["id"] for row in rows(tmp_path, "executions", "perfecto_live")) == list(kept)
    assert rows(tmp_path, "executions__rejected", "perfecto_live") == []


def test_a_kill_before_the_rejects_are_written_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(tmp_path, answer_of([test("a"), test("b"), test("c", name=7)]))
    strict = replace(TEST_EXECUTIONS, record=with_type(TestExecution, name=int))
    with monkeypatch.context() as patched:
        patched.setattr(replaying._File, "_put_rejects", _killed)
        with pytest.raises(KeyboardInterrupt):
            replay(tmp_path, strict)
    held = [*rows(tmp_path, "test_executions"), *rows(tmp_path, "test_executions__rejected")]
    assert {json.loads(row["_raw"])["id"] for row in held} == {"a", "b", "c"}

    replay(tmp_path, strict)

    assert column(tmp_path, "test_executions", "id").keys() == {"c"}
    assert len(rows(tmp_path, "test_executions__rejected")) == 2


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_the_contract_cuts_now_is_cut_from_history_too(tmp_path: Path) -> None:
    land(tmp_path, answer_of([test("a", secret="canary-1"), {"id": 5, "secret": "canary-2"}]))
    replay(tmp_path, replace(TEST_EXECUTIONS, redaction=Redaction("secret")))
    assert "secret" not in column(tmp_path, "test_executions", "_raw")["a"]
    (refused,) = rows(tmp_path, "test_executions__rejected")
    assert refused["_raw"] == '{"id": 5}'


def test_rows_that_lost_their_raw_stay_as_they_are_and_are_counted(tmp_path: Path) -> None:
    earlier = replace(TEST_EXECUTIONS, record=without_field(TestExecution, "owner"))
    land(tmp_path, answer_of([test("a", owner="Ann"), test("b")]), earlier)
    (partition,) = partitions_of(tmp_path, TEST_EXECUTIONS)
    pq.write_table(pq.read_table(partition.data).drop_columns("_raw"), partition.data)
    before = files(tmp_path / "perfecto_reporting/test_executions/connection=acme")

    (replayed,) = replay(tmp_path, TEST_EXECUTIONS)

    assert (replayed.rows, replayed.without_raw, replayed.is_rewritten) == (2, 2, False)
    assert files(tmp_path / "perfecto_reporting/test_executions/connection=acme") == before


def test_large_partitions_come_out_whole_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "_BATCH_ROWS", 64)
    monkeypatch.setattr(replaying, "_ORDER_ROWS", 100)
    earlier = replace(TEST_EXECUTIONS, record=without_field(TestExecution, "owner"))
    names = [f"{n * 7919 % 1000:04d}" for n in range(1000)]
    land(tmp_path, answer_of([test(name, owner=name) for name in names]), earlier)
    replay(tmp_path, TEST_EXECUTIONS)
    assert [(row["id"], row["owner"]) for row in rows(tmp_path, "test_executions")] == [
        (n, n) for n in sorted(names)
    ]
