"""What must never reach the disk is cut out of a record's bytes before anything else looks at them.

Two cuts: object members with a redacted name (the name is compared after JSON unescaping, in any case), and URL
parameters that carry a signature or a token. Both are cut in the text itself, a page at a time, so that all the
rest stays as the vendor wrote it. A record that a cut in the text cannot serve (names or URLs written with
escaped letters, nested values, `{"name": "imei", "value": ...}`) is parsed, cut and written again.
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

# Gson writes `=` and `&` as escapes; nested URLs are percent-encoded.
_URL_PARAMETER = (
    r"(?i)(?:[?&;#]|\\u0026|\\u003f|\\u0023|%26|%3f|%23)(?:amp;)?"
    r"(?:[a-z0-9_.~-]*(?:signature|token)[a-z0-9_.~-]*|sig|password|passwd|pwd|apikey|api_key|x-amz-credential)"
    r"(?:=|\\u003d|%3d)"
    r"(?:[^&\"\\\s#;<>\x1e]|\\/|\\u00(?:[013-9a-f][0-9a-f]|2[0-57-9a-f])|\\u(?:[1-9a-f][0-9a-f]{3}|0[1-9a-f][0-9a-f]{2}))*"
)
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")
_VALUE = rb'(?:"(?:[^"\\]|\\.)*"|[-+0-9.eE]+|true|false|null)'


class Redaction:
    """What one contract cuts."""

    def __init__(self, *names: str) -> None:
        self._names = frozenset(name.lower() for name in names)
        if not names:
            self._member = None
        else:
            spelled = b"|".join(re.escape(name.lower().encode()) for name in names)
            member = rb'"(?:' + spelled + rb')"\s*:\s*' + _VALUE
            self._member = re.compile(
                rb"(?is),\s*" + member + rb"|(?<=\{)\s*(?:" + member + rb"\s*(?:,\s*|(?=\})))+"
            )
        self._quoted = [b'"' + name.encode() + b'"' for name in self._names]
        self._parameter = re.compile(_URL_PARAMETER)

    def records(self, records: Sequence[bytes | msgspec.Raw]) -> list[bytes | None]:
        """The records without what must not land; None for one that could be neither cut nor parsed."""
        page = _SEPARATOR.join(records)
        try:
            text = page.decode()
        except UnicodeDecodeError:
            return [self._alone(bytes(record)) for record in records]
        page = self._cut(text)
        cut = page.split(_SEPARATOR) if records else []
        if len(cut) != len(records):
            return [self._alone(bytes(record)) for record in records]
        if self._is_suspect(page):
            return [self._parsed(record) if self._is_suspect(record) else record for record in cut]
        return cut

    def _cut(self, text: str) -> bytes:
        cut = pc.replace_substring_regex(pa.array([text], pa.large_string()), _URL_PARAMETER, "")
        page = cut[0].as_buffer().to_pybytes()
        return self._member.sub(b"", page) if self._member else page

    def _is_suspect(self, page: bytes) -> bool:
        if _ESCAPED_LETTER.search(page):
            return True
        lowered = page.lower()
        return any(quoted in lowered for quoted in self._quoted)

    def _alone(self, record: bytes) -> bytes | None:
        """One record of a page that is not clean text."""
        try:
            text = record.decode()
        except UnicodeDecodeError:
            return None
        cut = self._cut(text)
        return self._parsed(cut) if self._is_suspect(cut) else cut

    def _parsed(self, record: bytes) -> bytes | None:
        try:
            value = json.loads(record)
            return json.dumps(self._walk(value), ensure_ascii=True, separators=(",", ":")).encode()
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
        return self._parameter.sub("", value) if isinstance(value, str) else value
