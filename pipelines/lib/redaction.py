"""What must never reach the disk is cut out of a record's bytes before anything else looks at them.

Cut are object members with a redacted name, after a prefix too (`perfecto:securityToken`; compared after JSON
unescaping, in any case), what text says of such a name, parameters of URLs and forms that carry a signature, a token or
a password, and in any text what is a token by its shape, a `Bearer`'s value, and the user and password of a URL.

Plain members and parameters are cut in the record's bytes, so that all the rest stays as the vendor wrote it. A record
that this cannot serve (names or URLs written with escaped letters, nested values, `{"name": "imei", "value": ...}`,
secrets in the midst of a text) is parsed, cut and written again, unless nothing was found to cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from ahocorasick_rs import BytesAhoCorasick, MatchKind

# Whoever sends them; scripts hand them on as capabilities, and logs quote them.
_CREDENTIALS = (
    "Authorization", "securityToken", "offlineToken", "accessToken", "refreshToken", "access_token", "refresh_token",
)  # fmt: skip
_QUOTE = ord('"')
_WORDS = ("signature", "sig", "token", "password", "passwd")
# Gson writes `=` and `&` as escapes; URLs within URLs are percent-encoded, once for each URL they are in.
_EQUALS = ("=", r"\u003d", "%3d")
_EQUALS_DEEPER = ("%253d", "%25253d")
# Up to the next parameter or the end of the URL: quotes, white space, brackets, and the escapes of these. Written so
# that the plain characters are taken in one go.
_PLAIN = r"""[^&"\\\s#;<>]*"""
_ESCAPED = r"(?:\\/|\\u(?!00(?:2[026]|0[9aAdD]|3[cCeE]))[0-9a-fA-F]{4})"
_VALUE = rf"{_PLAIN}(?:{_ESCAPED}{_PLAIN})*"
_VALUE_OF_PARAMETER = re.compile(_VALUE.encode())
_EQUALS_AND_VALUE = rf"(?:{'|'.join(map(re.escape, _EQUALS + _EQUALS_DEEPER))}){_VALUE}"
_VALUE_OF_MEMBER = re.compile(
    rb'(?s)("\s*:\s*(?:"[^"\\]*(?:\\.[^"\\]*)*"|[-+0-9.eE]+|true|false|null))\s*(?:,\s*)?'
)
_EQUALS_SIGN = re.compile("|".join(map(re.escape, _EQUALS)).encode(), re.IGNORECASE)
# What follows a redacted name where a text gives its value, and where a name is a value itself.
_GIVES_A_VALUE = re.compile(rb"""(?i)\\*["']|\\u002[27]|(?:\s|\\[nrt])*[:=]|(?:\s|\\[nrt])+\\u003d""")

# A text within a text keeps the escapes of the outer one: what follows an escape begins there as well.
_BEGINS = (
    r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2})|(?<=%25[0-9A-Fa-f]{2}))"
)
_TOKEN = rf"{_BEGINS}eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]*"
_A_WORD = r"[A-Za-z]?[a-z]+\.?(?![A-Za-z0-9._~+/=-])"  # a Bearer token expired
_BEARER = rf"(?<=(?i:bearer))(?:\s|%20|\+)+(?!{_A_WORD})[A-Za-z0-9._~+/=-]+"
_LOGIN = r"""(?:(?<=//)|(?<=\\/))[^\s/?#"'<>\\:]*:[^\s/?#"'<>\\]*@"""
_MAY_BE_LOGIN = re.compile(rb"""/[^\s/?#"'<>]*[:\\][^\s/?#"'<>]*@""")
_ANYWHERE = re.compile(f"{_TOKEN}|{_BEARER}|{_LOGIN}")
# Text's own way to give the value of a name: JSON, also with its quotes escaped, and what languages print of objects.
_GIVEN = (
    r"""(?P<quote>\\*["'])?\s*(?:=>|[:=]|,\s*\\*["']value\\*["']\s*:)\s*"""
    r"""(?P<value>(?P<opening>\\*["'])(?:.*?(?<!\\)(?P=opening)|.*)|[{\[].*|(?:(?:bearer|basic)\s+)?[^\s,;&"'\\<>{}()\[\]]+)"""
)

_PARAMETERS = [f"{word}{equals}".encode() for word in _WORDS for equals in _EQUALS]
_OF_SIG = range(_PARAMETERS.index(b"sig="), _PARAMETERS.index(b"sig=") + len(_EQUALS))
_COUNT_OF_PARAMETERS = len(_PARAMETERS)
_ELSEWHERE = [rb"\u004", rb"\u005", rb"\u006", rb"\u007", b"eyj", b"bearer"]
_ELSEWHERE += [equals.encode() for equals in _EQUALS_DEEPER]


class Redaction:
    """What one contract cuts: these names, beside those of credentials."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self._names = frozenset(name.lower() for name in (*names, *_CREDENTIALS))
        either = "|".join(map(re.escape, sorted(self._names)))
        self._parameter = re.compile(
            rf"(?:signature|token|password|passwd|(?<![a-z])sig|{either}){_EQUALS_AND_VALUE}", re.IGNORECASE
        )
        self._given = re.compile(rf"{_BEGINS}(?:{either}){_GIVEN}", re.IGNORECASE | re.DOTALL)
        members = [name.encode() for name in self._names]
        self._members = range(_COUNT_OF_PARAMETERS, _COUNT_OF_PARAMETERS + len(members))
        # One pass finds where any of these is; no pattern of `re` is as fast as that even for one of them.
        self._signs = BytesAhoCorasick(
            [*_PARAMETERS, *members, *_ELSEWHERE], matchkind=MatchKind.LeftmostLongest
        )

    def records(self, records: Sequence[bytes | msgspec.Raw]) -> list[bytes | None]:
        """The records without what must not land; None for one that could be neither cut nor parsed."""
        find, kept = self._signs.find_matches_as_indexes, []
        for each in records:
            record = bytes(each)
            if not record.isascii() and not _is_text(record):
                kept.append(None)
                continue
            signs = find(record.lower())
            at = record.find(b"@")
            may_have_login = at >= 0 and _may_have_login(record, at)
            kept.append(self._cut(record, signs, may_have_login) if signs or may_have_login else record)
        return kept

    def _cut(self, record: bytes, signs: Sequence[tuple[int, int, int]], is_disguised: bool) -> bytes | None:
        kept, at = b"", 0
        for sign, start, end in signs:
            if start < at:
                continue  # within what is cut already
            if sign < _COUNT_OF_PARAMETERS:
                if sign in _OF_SIG and record[start - 1 : start].isalpha():
                    continue  # design=
                kept += record[at:start]
                at = _VALUE_OF_PARAMETER.match(record, end).end()
                continue
            if sign not in self._members:
                is_disguised = True
                continue
            value = _VALUE_OF_MEMBER.match(record, end) if record[start - 1] == _QUOTE else None
            before = (kept + record[at : start - 1]).rstrip() if value else b""
            if before.endswith(b","):
                kept, at = before[:-1], value.end(1)
            elif before.endswith(b"{"):
                kept, at = before, value.end()
            elif equals := _EQUALS_SIGN.match(record, end):
                kept += record[at:start]
                at = _VALUE_OF_PARAMETER.match(record, equals.end()).end()
            elif _GIVES_A_VALUE.match(record, end):
                is_disguised = True
        kept += record[at:]
        if not is_disguised:
            return kept
        parsed = self._parsed(kept.decode())
        return None if parsed is None else parsed.encode()

    def _parsed(self, text: str) -> str | None:
        """JSON text without what must not land, as it was where there is nothing to cut; None where it is no JSON."""
        is_repeated = False

        def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            nonlocal is_repeated
            value = dict(pairs)
            is_repeated |= len(value) < len(pairs)  # of two members with one name only the last is seen
            return value

        try:
            value = json.loads(text, object_pairs_hook=members)
            kept = self._walk(value)
            if kept == value and not is_repeated:
                return text
            return json.dumps(kept, ensure_ascii=True, separators=(",", ":"))
        except (ValueError, RecursionError):
            return None

    def _walk(self, value: Any) -> Any:
        if isinstance(value, dict):
            named = value.get("name", value.get("Name"))
            is_named = isinstance(named, str) and self._is_cut(named)
            return {
                self._walk(key): None if is_named and key.lower() == "value" else self._walk(inner)
                for key, inner in value.items()
                if not self._is_cut(key)
            }
        if isinstance(value, list):
            return [self._walk(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _is_cut(self, name: str) -> bool:
        return name.lower().rpartition(":")[2] in self._names

    def _text(self, text: str) -> str:
        if text.lstrip()[:1] in ("{", "[") and (parsed := self._parsed(text)) is not None:
            return parsed
        text = _ANYWHERE.sub("", self._parameter.sub("", text))
        return self._given.sub(lambda found: text[found.start() : found.start("value")] + "null", text)


def _may_have_login(record: bytes, at: int) -> bool:
    since, slash = 0, -1
    while at >= 0:
        last = record.rfind(b"/", since, at)
        if last >= 0:
            slash = last
        if slash >= 0 and _MAY_BE_LOGIN.match(record, slash):
            return True
        since = at + 1
        at = record.find(b"@", since)
    return False


def _is_text(record: bytes) -> bool:
    try:
        record.decode()
    except UnicodeDecodeError:
        return False
    return True
