"""The forms in which a list may come: which are read, and that every other one fails."""

from __future__ import annotations

import msgspec
import pytest

from pipelines.defs.sources.hcl_test_server.client import _read_listing


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
