"""The forms in which a list may come, which are read, and that every other one fails; what of a list is a day's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from pipelines.defs.sources.hcl_test_server.client import _ended_within, _read_listing


@pytest.mark.parametrize(
    "body",
    [
        b'[{"id":"a"},{"id":"b"}]',
        b' \n[{"id":"a"},{"id":"b"}]',
        b'{"data":[{"id":"a"},{"id":"b"}]}',
        b'{"data":[{"id":"a"},{"id":"b"}],"total":2}',
        b'{"content":[{"id":"a"},{"id":"b"}],"totalElements":2}',
    ],
)
def test_a_list_is_read_in_every_form_that_the_server_uses(body: bytes) -> None:
    listing = _read_listing(body)

    assert [bytes(record) for record in listing.records] == [b'{"id":"a"}', b'{"id":"b"}']
    assert listing.is_whole


@pytest.mark.parametrize("body", [b'{"data":[{"id":"a"}],"total":2}', b'{"content":[],"totalElements":1}'])
def test_a_list_that_is_shorter_than_its_total_is_not_whole(body: bytes) -> None:
    assert not _read_listing(body).is_whole


@pytest.mark.parametrize("body", [b"{}", b'{"items":[]}', b'"login"', b"<html></html>", b"", b'{"data":{}}'])
def test_anything_else_is_not_taken_for_an_empty_list(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        _read_listing(body)


STARTED = "2026-03-01T22:00:00Z"


@pytest.mark.parametrize(
    ("record", "days"),
    [
        ({"status": "RUNNING", "startDate": STARTED, "completionDate": None}, []),
        ({"status": "PAUSED", "startDate": STARTED}, []),
        ({"status": "INCOMPLETE", "startDate": STARTED, "completionDate": None}, [1]),
        ({"status": "COMPLETE", "startDate": STARTED, "completionDate": "2026-03-02T01:00:00Z"}, [2]),
        ({"status": "PAUSED", "startDate": STARTED, "completionDate": "2026-03-02T01:00:00Z"}, [2]),
        ({"name": "says nothing of itself"}, [1, 2, 3]),
    ],
    ids=["running", "of a status unknown to us", "ended without saying when", "ended", "unknown", "refused"],
)
def test_of_a_server_that_lists_everything_each_day_takes_its_own(
    record: dict[str, str | None], days: list[int]
) -> None:
    taken = []
    for day in (1, 2, 3):
        start = datetime(2026, 3, day, tzinfo=UTC)
        (within, completed), (without, started), _planned = _ended_within(
            start, start + timedelta(days=1), datetime(2026, 3, 5, tzinfo=UTC)
        )
        assert {"completionDateAfter", "completionDateNotSetOrAfter"} <= {*within, *without}
        raw = msgspec.Raw(msgspec.json.encode({"id": "x"} | record))
        taken += [day] * (completed(raw) or started(raw))
    assert taken == days
