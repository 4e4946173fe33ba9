"""What must never reach the disk is cut out of a record's bytes before anything else looks at them.

Two cuts: object members with a redacted name (compared after JSON unescaping, in any case), and URL parameters that
carry a signature, a token or a password. Both are made in the text itself, so that all the rest stays as the vendor
wrote it. A record that this cannot serve (names or URLs written with escaped letters, nested values,
`{"name": "imei", "value": ...}`) is parsed, cut and written again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from ahocorasick_rs import BytesAhoCorasick, MatchKind

_WORDS = ("signature", "sig", "token", "password", "passwd")
# Gson writes `=` and `&` as escapes; URLs within URLs are percent-encoded.
_EQUALS = ("=", r"\u003d", "%3d")
# Up to the next parameter or the end of the URL: quotes, white space, brackets, and the escapes of these. Written so
# that the plain characters are taken in one go.
_PLAIN = r"""[^&"\\\s#;<>]*"""
_ESCAPED = r"(?:\\/|\\u(?!00(?:2[026]|0[9aAdD]|3[cCeE]))[0-9a-fA-F]{4})"
_VALUE = rf"{_PLAIN}(?:{_ESCAPED}{_PLAIN})*"
_VALUE_OF_PARAMETER = re.compile(_VALUE.encode())
# What stands before the word (`X-Amz-`, `security`) stays: it may be the end of an escape.
_PARAMETER = re.compile(
    rf"(?i:signature|token|password|passwd|(?<![a-z])sig)(?:{'|'.join(map(re.escape, _EQUALS))}){_VALUE}",
    re.IGNORECASE,
)
_VALUE_OF_MEMBER = re.compile(
    rb'(?s)(\s*:\s*(?:"[^"\\]*(?:\\.[^"\\]*)*"|[-+0-9.eE]+|true|false|null))\s*(?:,\s*)?'
)

_PARAMETERS = [f"{word}{equals}".encode() for word in _WORDS for equals in _EQUALS]
_OF_SIG = range(_PARAMETERS.index(b"sig="), _PARAMETERS.index(b"sig=") + len(_EQUALS))
_ESCAPED_LETTERS = [rb"\u004", rb"\u005", rb"\u006", rb"\u007"]


class Redaction:
    """What one contract cuts."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self._names = frozenset(name.lower() for name in names)
        members = [f'"{name}"'.encode() for name in self._names]
        self._members = range(len(_PARAMETERS), len(_PARAMETERS) + len(members))
        # One pass finds where any of these is; no pattern of `re` is as fast as that even for one of them.
        self._signs = BytesAhoCorasick(
            [*_PARAMETERS, *members, *_ESCAPED_LETTERS], matchkind=MatchKind.LeftmostLongest
        )

    def records(self, records: Sequence[bytes | msgspec.Raw]) -> list[bytes | None]:
        """The records without what must not land; None for one that could be neither cut nor parsed."""
        return [self._record(bytes(record)) for record in records]

    def _record(self, record: bytes) -> bytes | None:
        if not _is_text(record):
            return None
        signs = self._signs.find_matches_as_indexes(record.lower())
        return self._cut(record, signs) if signs else record

    def _cut(self, record: bytes, signs: Sequence[tuple[int, int, int]]) -> bytes | None:
        kept, at, is_disguised = b"", 0, False
        for sign, start, end in signs:
            if start < at:
                continue  # within what is cut already
            if sign < len(_PARAMETERS):
                if sign in _OF_SIG and record[start - 1 : start].isalpha():
                    continue  # design=
                kept += record[at:start]
                at = _VALUE_OF_PARAMETER.match(record, end).end()
                continue
            before = (kept + record[at:start]).rstrip()
            value = _VALUE_OF_MEMBER.match(record, end) if sign in self._members else None
            if value and before.endswith(b","):
                kept, at = before[:-1], value.end(1)
            elif value and before.endswith(b"{"):
                kept, at = before, value.end()
            else:
                is_disguised = True
        kept += record[at:]
        return self._parsed(kept) if is_disguised else kept

    def _parsed(self, record: bytes) -> bytes | None:
        try:
            value = self._walk(json.loads(record))
            return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()
        except (ValueError, RecursionError):
            return None

    def _walk(self, value: Any) -> Any:
        if isinstance(value, dict):
            named = value.get("name", value.get("Name"))
            is_named = isinstance(named, str) and named.lower() in self._names
            return {
                self._walk(key): None if is_named and key.lower() == "value" else self._walk(inner)
                for key, inner in value.items()
                if key.lower() not in self._names
            }
        if isinstance(value, list):
            return [self._walk(item) for item in value]
        return _PARAMETER.sub("", value) if isinstance(value, str) else value


def _is_text(record: bytes) -> bool:
    try:
        record.decode()
    except UnicodeDecodeError:
        return False
    return True
