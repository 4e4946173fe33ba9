"""Records to columns: times that are sane and those that are not, numbers, nested objects, lists."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pyarrow as pa
import pytest

from pipelines.lib.columns import Columns
from pipelines.lib.contract import (
    ABSENT,
    Boolean,
    EpochMillis,
    ExpectedEpochMillis,
    ExpectedInstant,
    Guid,
    Instant,
    Integer,
    JsonText,
)
from pipelines.lib.flags import Flags

SANE_UNTIL = datetime(2026, 3, 4, tzinfo=UTC)
NOON = 1_772_452_800_000


class Inner(msgspec.Struct):
    name: str | None = None
    number: Integer = None


class Item(msgspec.Struct):
    start_time: int | None = None
    inner: Inner | None = None


class Record(msgspec.Struct, rename="camel"):
    start_time: ExpectedEpochMillis = None
    seen_time: EpochMillis = None
    created_at: ExpectedInstant = None
    updated_at: Instant = None
    number: Integer = None
    is_on: Boolean = None
    owner_id: Guid = None
    inner: Inner | None = None
    items: list[Item] | None = None
    tags: list[str | None] | None = None
    extra: JsonText = ABSENT


def built(*records: str) -> tuple[dict[str, list], list[list[str]]]:
    """Columns by name, and each row's flags."""
    decoded = [msgspec.json.decode(record, type=Record) for record in records]
    columns, flags = Columns(Record), Flags(len(decoded), SANE_UNTIL)
    arrays = columns.arrays(decoded, flags)
    table = pa.Table.from_arrays(arrays, schema=pa.schema(columns.fields))
    return table.to_pydict(), flags.as_array().to_pylist()


@pytest.mark.parametrize(
    ("number", "is_sane", "flags"),
    [
        (str(NOON), True, []),
        ("946684800000", True, []),
        ("946684799999", False, ["start_out_of_range"]),
        ("1772582399999", True, []),
        ("1772582400000", False, ["start_out_of_range"]),
        ("15238557905579", False, ["start_out_of_range"]),
        ("1523845681", False, ["start_out_of_range"]),
        ("0", False, ["start_missing"]),
        ("-1", False, ["start_missing"]),
        ("null", False, ["start_missing"]),
        (f'"{NOON}"', True, []),
        (f"{NOON}.0", True, []),
        (f"{NOON}.5", False, ["start_not_a_time"]),
        ('"yesterday"', False, ["start_not_a_time"]),
        ("99999999999999999999999", False, ["start_not_a_time"]),
    ],
)
def test_a_time_is_a_timestamp_when_sane_and_a_number_beside_it_when_not(
    number: str, is_sane: bool, flags: list[str]
) -> None:
    columns, issues = built(f'{{"startTime": {number}, "createdAt": "2026-03-02T12:00:00Z"}}')
    (time,), (vendors,) = columns["start_time"], columns["start_time_number"]
    assert (time is not None) is is_sane
    assert issues == [flags]
    if is_sane:
        assert vendors is None
    elif flags != ["start_not_a_time"] and number != "null":
        assert vendors == int(number)


@pytest.mark.parametrize(
    ("text", "expected", "flags"),
    [
        ("2026-03-02T12:00:00Z", datetime(2026, 3, 2, 12, tzinfo=UTC), []),
        ("2026-03-02T12:00:00", datetime(2026, 3, 2, 12, tzinfo=UTC), []),
        ("2026-03-02T14:00:00.25+02:00", datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC), []),
        ("0001-01-01T00:00:00Z", None, ["created_out_of_range"]),
        ("", None, ["created_missing"]),
        ("soon", None, ["created_not_a_time"]),
    ],
)
def test_an_instant_is_read_as_utc(text: str, expected: datetime | None, flags: list[str]) -> None:
    columns, issues = built(f'{{"startTime": {NOON}, "createdAt": "{text}"}}')
    assert columns["created_at"] == [expected]
    assert issues == [flags]


def test_an_optional_time_is_not_flagged_where_it_is_absent() -> None:
    columns, issues = built(f'{{"startTime": {NOON}, "createdAt": "2026-03-02T12:00:00Z", "seenTime": 0}}')
    assert columns["seen_time"] == [None]
    assert columns["seen_time_number"] == [0]
    assert issues == [[]]


@pytest.mark.parametrize(
    ("value", "expected", "flags"),
    [
        ("45", 45, []),
        ("45.0", 45, []),
        ('"45"', 45, []),
        ("45.5", None, ["number_not_integer"]),
        ('"build-45"', None, ["number_not_integer"]),
        ("null", None, []),
        ("9223372036854775808", None, ["number_not_integer"]),
    ],
)
def test_a_number_that_is_none_is_flagged_and_null(
    value: str, expected: int | None, flags: list[str]
) -> None:
    columns, issues = built(
        f'{{"startTime": {NOON}, "createdAt": "2026-03-02T12:00:00Z", "number": {value}}}'
    )
    assert columns["number"] == [expected]
    assert issues == [flags]


def test_objects_are_flattened_and_absent_ones_are_null() -> None:
    columns, _ = built('{"inner": {"name": "n", "number": 2}}', '{"inner": null}', "{}")
    assert columns["inner_name"] == ["n", None, None]
    assert columns["inner_number"] == [2, None, None]


def test_lists_keep_absent_and_empty_apart() -> None:
    columns, _ = built(
        '{"items": [{"inner": {"name": "a"}}, {}]}', '{"items": []}', "{}", '{"tags": ["x", null]}'
    )
    empty = {"start_time": None, "inner_name": None, "inner_number": None}
    assert columns["items"] == [[empty | {"inner_name": "a"}, empty], [], None, None]
    assert columns["tags"] == [None, None, None, ["x", None]]


def test_free_json_is_kept_as_text_and_guids_in_lower_case() -> None:
    columns, _ = built('{"extra": {"a": [1,  2.50]}, "ownerId": "ABC-DEF"}', '{"extra": null}')
    assert columns["extra"] == ['{"a": [1,  2.50]}', None]
    assert columns["owner_id"] == ["abc-def", None]


def test_truth_may_come_in_words() -> None:
    rows = [
        f'{{"startTime": {NOON}, "createdAt": "2026-03-02T12:00:00Z", "isOn": {v}}}'
        for v in ('"true"', "false", '"maybe"')
    ]
    columns, issues = built(*rows)
    assert columns["is_on"] == [True, False, None]
    assert issues == [[], [], ["is_on_not_boolean"]]


def test_several_flags_of_a_row_are_all_kept() -> None:
    _, issues = built(
        '{"startTime": 0, "number": "x"}', f'{{"startTime": {NOON}, "createdAt": "2026-03-02"}}'
    )
    assert issues == [["start_missing", "created_missing", "number_not_integer"], []]
