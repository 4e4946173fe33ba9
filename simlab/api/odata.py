"""The vendor's subset of OData: `$filter` and `$orderby` over records, with dates as `datetime'...'`.

Comparison operators, `and`, `or`, `not`, brackets, `substringof`, `startswith`, `endswith`, `year`, `month`,
`day`. Whatever else is asked raises ODataError, which is answered with 400.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime

Record = dict[str, object]
Value = Callable[[Record], object]

TOKEN = re.compile(
    r"\s*(?:(?P<date>datetime'[^']*')|(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_/]*)|(?P<mark>[(),]))"
)
COMPARISONS = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
CONSTANTS: dict[str, object] = {"true": True, "false": False, "null": None}
DATE_PARTS = ("year", "month", "day")


class ODataError(ValueError):
    """A filter or order that is not understood."""


def compile_filter(text: str, fields: frozenset[str]) -> Callable[[Record], bool]:
    """The filter as a predicate over records that may have `fields`."""
    parser = _Parser(text, fields)
    expression = parser.either()
    parser.expect_end()
    return lambda record: bool(expression(record))


def order(records: list[Record], text: str, fields: frozenset[str]) -> list[Record]:
    """Records by `Name desc, CreatedAt`; a record without a value comes first."""
    for part in reversed(text.split(",")):
        name, _, direction = part.strip().partition(" ")
        if name not in fields or direction.strip().lower() not in ("", "asc", "desc"):
            raise ODataError(f"cannot order by {part.strip()!r}")
        records = sorted(
            records,
            key=lambda record: (record.get(name) is not None, record.get(name) or ""),
            reverse=direction.strip().lower() == "desc",
        )
    return records


def _when(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ODataError(f"{text!r} is not a date") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _compared(left: object, right: object) -> tuple[object, object]:
    """Both sides alike: a record's date is text until it meets a date."""
    if isinstance(left, datetime) and isinstance(right, str):
        return left, _when(right)
    if isinstance(right, datetime) and isinstance(left, str):
        return _when(left), right
    return left, right


class _Parser:
    def __init__(self, text: str, fields: frozenset[str]) -> None:
        self._fields = fields
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = TOKEN.match(text, position)
            if match is None:
                raise ODataError(f"cannot read the filter at {text[position:]!r}")
            self._tokens.append((match.lastgroup or "", match[match.lastgroup or 0]))
            position = match.end()

    def either(self) -> Value:
        left = self._both()
        while self._take_word("or"):
            left = self._joined(left, self._both(), any)
        return left

    def expect_end(self) -> None:
        if self._tokens:
            raise ODataError(f"did not expect {self._tokens[0][1]!r}")

    def _both(self) -> Value:
        left = self._negated()
        while self._take_word("and"):
            left = self._joined(left, self._negated(), all)
        return left

    @staticmethod
    def _joined(left: Value, right: Value, how: Callable[[tuple[object, object]], bool]) -> Value:
        return lambda record: how((left(record), right(record)))

    def _negated(self) -> Value:
        if self._take_word("not"):
            inner = self._negated()
            return lambda record: not inner(record)
        return self._comparison()

    def _comparison(self) -> Value:
        left = self._operand()
        if not (self._tokens and self._tokens[0][1].lower() in COMPARISONS):
            return left
        compare = COMPARISONS[self._tokens.pop(0)[1].lower()]
        right = self._operand()

        def holds(record: Record) -> bool:
            try:
                return bool(compare(*_compared(left(record), right(record))))
            except TypeError:
                return False

        return holds

    def _operand(self) -> Value:
        if not self._tokens:
            raise ODataError("the filter ends too early")
        kind, text = self._tokens.pop(0)
        if text == "(":
            inner = self.either()
            self._expect(")")
            return inner
        if kind == "name":
            return self._name(text)
        constant = self._constant(kind, text)
        return lambda _record: constant

    @staticmethod
    def _constant(kind: str, text: str) -> object:
        if kind == "date":
            return _when(text[len("datetime'") : -1])
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text) if "." in text else int(text)
        raise ODataError(f"did not expect {text!r}")

    def _name(self, name: str) -> Value:
        if self._tokens and self._tokens[0][1] == "(":
            return self._call(name.lower())
        if name.lower() in CONSTANTS:
            constant = CONSTANTS[name.lower()]
            return lambda _record: constant
        if name not in self._fields:
            raise ODataError(f"there is no property {name!r}")
        return lambda record: record.get(name)

    def _call(self, function: str) -> Value:
        self._expect("(")
        arguments = [self._operand()]
        while self._tokens and self._tokens[0][1] == ",":
            self._tokens.pop(0)
            arguments.append(self._operand())
        self._expect(")")
        if function in DATE_PARTS and len(arguments) == 1:
            return lambda record: _part(arguments[0](record), function)
        if function == "substringof" and len(arguments) == 2:
            return lambda record: str(arguments[0](record)) in str(arguments[1](record))
        if function in ("startswith", "endswith") and len(arguments) == 2:
            return lambda record: getattr(str(arguments[0](record)), function)(str(arguments[1](record)))
        raise ODataError(f"there is no function {function!r} of {len(arguments)} arguments")

    def _expect(self, mark: str) -> None:
        if not self._tokens or self._tokens.pop(0)[1] != mark:
            raise ODataError(f"expected {mark!r}")

    def _take_word(self, word: str) -> bool:
        if self._tokens and self._tokens[0][0] == "name" and self._tokens[0][1].lower() == word:
            self._tokens.pop(0)
            return True
        return False


def _part(value: object, part: str) -> int | None:
    at = _when(value) if isinstance(value, str) else value
    return getattr(at, part) if isinstance(at, datetime) else None
