"""What a reader chose, as conditions that stand in the query: what is shown can be run as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marimo as mo

from pipelines.notebooks.warehouse import Published

ALL = "all"

_OFFERED = {
    "connection": ("Connection", "connection"),
    "project": ("Project", "project_name"),
    "team": ("Team", "team"),
    "system": ("OS", "os"),
    "location": ("Location", "location"),
}
"""A filter's label, and the column that it chooses by: the same in all marts."""

Choices = Mapping[str, Any]


def offered(published: Published, mart: str, *names: str, **more: mo.ui.dropdown) -> mo.ui.dictionary:
    """A filter for each of these names with what this mart has of it, and more filters beside them."""
    return mo.ui.dictionary({name: _dropdown(published, mart, *_OFFERED[name]) for name in names} | more)


def _dropdown(published: Published, mart: str, label: str, column: str) -> mo.ui.dropdown:
    values = published.values(
        f"select distinct {column} from marts.{mart} where {column} is not null order by 1 limit 200"  # noqa: S608
    )
    return mo.ui.dropdown([ALL, *values], value=ALL, label=label)


def days(label: str, chosen: int, *others: int) -> mo.ui.dropdown:
    """So many days, up to the last one."""
    offers = {f"{each} days": each for each in sorted((chosen, *others))}
    return mo.ui.dropdown(offers, value=f"{chosen} days", label=label)


def condition(choices: Choices, *names: str) -> str:
    """`column = 'chosen'` for each of these choices that was made; else `true`."""
    made = [(_OFFERED[name][1], choices[name]) for name in names if _is_made(choices[name])]
    return " and ".join(f"{column} = {literal(value)}" for column, value in made) or "true"


def tests_of(choices: Choices) -> str:
    """Tests that ran in the choice; each keeps the rate of all of its runs."""
    its_own, where_it_ran = condition(choices, "connection", "project"), condition(choices, "team", "system")
    if where_it_ran == "true":
        return its_own
    return f"{its_own} and test_id in (select test_id from marts.recent_tests where {where_it_ran})"  # noqa: S608


def devices_of(choices: Choices) -> str:
    """Devices of the choice, for marts that have but their id."""
    its_own, of_kind = condition(choices, "connection"), condition(choices, "system")
    if of_kind == "true":
        return its_own
    return (
        f"{its_own} and device_id in (select device_id from marts.device_utilization_daily where {of_kind})"  # noqa: S608
    )


def literal(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"


def in_words(choices: Choices, *names: str) -> str:
    """What the numbers are of: everything, or the choices that were made."""
    return ", ".join(choices[name] for name in names if _is_made(choices[name])) or "everything"


def _is_made(choice: str | None) -> bool:
    return choice not in (ALL, None)
