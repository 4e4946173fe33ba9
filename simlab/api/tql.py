"""The vendor's query language, as far as listings by project, package, name and status need it.

`Project = "Shop" AND Status IN [Passed, Failed] ORDER BY LastUpdatedAt DESC`; `~` is "contains". Whatever else
is asked raises TqlError, which is answered with 400.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CONDITION = re.compile(
    r"""\s*(?P<field>\w+)\s*(?:(?P<op>=|!=|~|IN)\s*(?P<value>"[^"]*"|'[^']*'|\[[^\]]*\]|[^\s"'\[\]]+))\s*""",
    re.IGNORECASE,
)
ORDER_BY = re.compile(r"\s+ORDER\s+BY\s+(\w+)(?:\s+(ASC|DESC))?\s*$", re.IGNORECASE)
AND = re.compile(r"AND\b", re.IGNORECASE)


class TqlError(ValueError):
    """A query that is not understood."""


@dataclass(frozen=True, slots=True)
class TqlCondition:
    field: str
    operator: str
    wanted: tuple[str, ...]

    def holds(self, values: tuple[str, ...]) -> bool:
        """True when one of the field's values (a name and an id, say) fits; letters' case does not matter."""
        have = {value.lower() for value in values}
        if self.operator == "~":
            return any(text in value for text in self.wanted for value in have)
        return any(text in have for text in self.wanted) != (self.operator == "!=")


@dataclass(frozen=True, slots=True)
class Tql:
    conditions: tuple[TqlCondition, ...]
    order_by: str | None
    is_descending: bool


def parse_tql(text: str, fields: frozenset[str], orders: frozenset[str]) -> Tql:
    """The query; TqlError for a field or a form that is not known."""
    order_by, is_descending = None, False
    if match := ORDER_BY.search(" " + text):
        order_by, is_descending = match[1], (match[2] or "").upper() == "DESC"
        if order_by not in orders:
            raise TqlError(f"cannot order by {order_by!r}")
        text = (" " + text)[: match.start()]
    conditions: list[TqlCondition] = []
    position = 0
    while position < len(text.rstrip()):
        if conditions:
            joint = AND.match(text, position)
            if joint is None:
                raise TqlError(f"cannot read the query at {text[position:]!r}")
            position = joint.end()
        match = CONDITION.match(text, position)
        if match is None or match["field"] not in fields:
            raise TqlError(f"cannot read the query at {text[position:]!r}")
        conditions.append(TqlCondition(match["field"], match["op"].upper(), _values(match["value"])))
        position = match.end()
    return Tql(tuple(conditions), order_by, is_descending)


def _values(text: str) -> tuple[str, ...]:
    parts = text[1:-1].split(",") if text.startswith("[") else [text]
    return tuple(part.strip().strip("\"'").lower() for part in parts)
