"""What a reader chose, as conditions that stand in the query: what is shown can be run as it is."""

from __future__ import annotations

from collections.abc import Mapping

ALL = "all"


def condition(choices: Mapping[str, str | None], **columns: str) -> str:
    """`column = 'chosen'` for each choice that was made, as in `condition(choices, team="team")`; else `true`."""
    made = [(column, choices[name]) for name, column in columns.items() if choices[name] not in (ALL, None)]
    return " and ".join(f"{column} = {literal(value)}" for column, value in made) or "true"


def one_of(column: str, table: str, made: str) -> str:
    """`column in (select column from table where made)`; `true` where nothing was chosen."""
    return made if made == "true" else f"{column} in (select {column} from {table} where {made})"  # noqa: S608


def literal(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"


def in_words(choices: Mapping[str, str | None], *names: str) -> str:
    """What the numbers are of: `all`, or the choices that were made."""
    return (
        ", ".join(choices[name] or ALL for name in names if choices[name] not in (ALL, None)) or "everything"
    )
