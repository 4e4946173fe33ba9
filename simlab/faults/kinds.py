"""The kinds of faults, and which of them a request can be struck by."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Kind(StrEnum):
    """What goes wrong. Those of one answer come first, those of a listing as a whole after them."""

    TOO_MANY = "429"
    TOO_MANY_SECONDS = "429 with Retry-After in seconds"
    TOO_MANY_DATE = "429 with Retry-After as a date"
    SERVER_ERROR = "500"
    BAD_GATEWAY = "502 with HTML"
    UNAVAILABLE = "503"
    ERROR_MESSAGE = "200 with an error message"
    LOGIN_PAGE = "200 with a login page"
    TRUNCATED_BODY = "truncated body"
    NEVER_ENDING_BODY = "never-ending body"
    SLOW = "slow answer"
    RESET = "connection reset"
    EXPIRED = "expired token"

    OVERLAPPING_PAGES = "overlapping pages"
    REPEATED_PAGE = "repeated page"
    EMPTY_PAGE = "truncated, then an empty page"
    ENDLESS_PAGING = "endless paging"
    SHIFTING_ROWS = "rows shifting between pages"


OF_A_LISTING = (
    Kind.OVERLAPPING_PAGES,
    Kind.REPEATED_PAGE,
    Kind.EMPTY_PAGE,
    Kind.ENDLESS_PAGING,
    Kind.SHIFTING_ROWS,
)
_OF_ANY_ANSWER = tuple(
    kind for kind in Kind if kind not in OF_A_LISTING and kind not in (Kind.ERROR_MESSAGE, Kind.EXPIRED)
)


_EXPIRES_OFTEN = 6


def of_an_answer(path: str) -> Sequence[Kind]:
    """Faults that an answer of this server can have; one that is named more often is drawn more often.

    Only Perfecto sends an error message with status 200; only the test server's access tokens expire.
    """
    if path.startswith("/perfecto/"):
        return (*_OF_ANY_ANSWER, Kind.ERROR_MESSAGE)
    if path.startswith("/hcl/") and not path.endswith("/tokens/"):
        return (*_OF_ANY_ANSWER, *[Kind.EXPIRED] * _EXPIRES_OFTEN)
    return _OF_ANY_ANSWER
