"""Perfecto's error body, `[{"userMessage": ...}]`: its services send it with any status, 200 included."""

from __future__ import annotations

import msgspec

from pipelines.lib.source_errors import Fault, NotAuthorised, SourceError

_OF_THE_TOKEN = ("token", "authenticate", "tenantid", "unauthorized", "unauthorised")


class _UserMessage(msgspec.Struct, rename="camel"):
    user_message: str


_read_messages = msgspec.json.Decoder(list[_UserMessage]).decode


def complaint(status: int, body: bytes) -> Fault | SourceError | None:
    """What such a body means; None for every other one, a list of results and an empty list included."""
    if body.lstrip()[:1] != b"[":
        return None
    try:
        messages = _read_messages(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    words = " ".join(message.user_message for message in messages).lower()
    if any(word in words for word in _OF_THE_TOKEN):
        return NotAuthorised("it does not take the token")
    return Fault("busy", "an error message in place of results") if messages and status == 200 else None
