"""What must never reach the disk is cut out of a record's bytes before anything else looks at them.

Two cuts: object members with a redacted name (compared after JSON unescaping, in any case), and URL parameters that
carry a signature, a token or a password. Both are made in the text itself, a page at a time, so that all the rest
stays as the vendor wrote it. A record that this cannot serve (names or URLs written with escaped letters, nested
values, `{"name": "imei", "value": ...}`) is parsed, cut and written again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

# Can stand in no JSON text: control characters are escaped in strings, and this one is no white space.
_SEPARATOR = b"\x1e"

_EQUALS = (
    r"(?:=|\\u003[dD]|%3[dD])"  # Gson writes `=` and `&` as escapes; URLs within URLs are percent-encoded
)
# Up to the next parameter or the end of the URL: quotes, white space, brackets, and the escapes of these. Written so
# that the plain characters are taken in one go.
_PLAIN = r"""[^&"\\\s#;<>\x1e]*"""
_ESCAPED = r"(?:\\/|\\u(?!00(?:2[026]|0[9aAdD]|3[cCeE]))[0-9a-fA-F]{4})"
_VALUE = rf"{_PLAIN}(?:{_ESCAPED}{_PLAIN})*"
# What stands before the word (`X-Amz-`, `security`) stays: it may be the end of an escape.
_PARAMETER = rf"(?:(?i:signature|token|password|passwd)|(?<![A-Za-z])(?i:sig)){_EQUALS}{_VALUE}"
# The vendor's own spelling, on most records: with a fixed beginning the search is twenty times as fast.
_SIGNATURE = re.compile(rf"signature{_EQUALS}{_VALUE}".encode())
_PARAMETER_IN_BYTES = re.compile(_PARAMETER.encode())
_PARAMETER_IN_TEXT = re.compile(_PARAMETER)
# What may be left after the plain cuts: Arrow's matcher takes all alternatives in one pass.
_SIGN_OF_PARAMETER = r"(?:sig|signature|token|password|passwd)(?:=|\\u003d|%3d)"
_ESCAPED_LETTER = r"\\u00[4-7]"
_JSON_VALUE = rb'(?:"[^"\\]*(?:\\.[^"\\]*)*"|[-+0-9.eE]+|true|false|null)'


class Redaction:
    """What one contract cuts."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self._names = frozenset(name.lower() for name in names)
        quoted = [re.escape(f'"{name}"') for name in self._names]
        self._sign_of_disguise = "|".join([*quoted, _ESCAPED_LETTER])
        self._sign_of_more = f"{_SIGN_OF_PARAMETER}|{self._sign_of_disguise}"
        member = (
            rb'"(?:' + b"|".join(re.escape(name.encode()) for name in names) + rb')"\s*:\s*' + _JSON_VALUE
        )
        # Two passes, each with one first character, run ten times as fast as one with a choice. Other spellings of a
        # name than the contract's are rare: records that have one are parsed.
        self._later_member = re.compile(rb"(?s),\s*" + member)
        self._first_members = re.compile(rb"(?s)\{\s*(?:" + member + rb"\s*(?:,\s*|(?=\})))+")

    def records(self, records: Sequence[bytes | msgspec.Raw]) -> list[bytes | None]:
        """The records without what must not land; None for one that could be neither cut nor parsed."""
        if not records:
            return []
        page = _SEPARATOR.join(records)
        if not _is_text(page):
            return [self._alone(bytes(record)) for record in records]
        page = self._cut(page)
        cut = page.split(_SEPARATOR)
        if len(cut) != len(records):
            return [self._alone(bytes(record)) for record in records]
        return [self._alone(record) for record in cut] if _has(page, self._sign_of_more) else cut

    def _cut(self, page: bytes) -> bytes:
        """The text without the plain cases."""
        page = _SIGNATURE.sub(b"", page)
        if not self._names:
            return page
        return self._first_members.sub(b"{", self._later_member.sub(b"", page))

    def _alone(self, record: bytes) -> bytes | None:
        """One record of a page in which something was left."""
        if not _is_text(record):
            return None
        cut = self._cut(record)
        if _has(cut, _SIGN_OF_PARAMETER):
            cut = _PARAMETER_IN_BYTES.sub(b"", cut)
        return self._parsed(cut) if _has(cut, self._sign_of_disguise) else cut

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
        return _PARAMETER_IN_TEXT.sub("", value) if isinstance(value, str) else value


def _has(page: bytes, sign: str) -> bool:
    return pc.match_substring_regex(pa.scalar(page, pa.large_binary()), sign, ignore_case=True).as_py()


def _is_text(page: bytes) -> bool:
    try:
        page.decode()
    except UnicodeDecodeError:
        return False
    return True
