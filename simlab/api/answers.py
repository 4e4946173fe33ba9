"""Answers in the forms the vendors use, encoded by msgspec."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from starlette.responses import Response

JSON = "application/json"
encode = msgspec.json.Encoder().encode


class Refusal(Exception):  # noqa: N818 - an answer, raised to end a request early
    """An answer that ends a request early."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def json_answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A value as compact JSON."""
    return Response(encode(value), status, headers, JSON)


def text_answer(text: str, status: int = 200) -> Response:
    """Plain text."""
    return Response(text, status, media_type="text/plain")


def user_message(status: int, text: str, trace: str | None = None) -> Response:
    """Perfecto's error body: an array of messages, with a trace id on the newer device services."""
    message = {"userMessage": text}
    if trace is not None:
        message["developerMessage"] = trace
    return json_answer([message], status)


def draw(key: str, salt: str, sides: int) -> int:
    """A number from 0 to `sides` - 1 that is always the same for the same key and salt."""
    return int.from_bytes(blake2b(f"{salt}/{key}".encode(), digest_size=8).digest()) % sides
