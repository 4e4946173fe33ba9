"""Every query of docs/ returns what the page shows, on the small lab of known truth.

After a change of the rules: `FLAKEHOUSE_REWRITE_DOCS=1 .venv/bin/python -m pytest tests/proofs/test_cookbook.py`, and a
look at what became different.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import duckdb
import pytest

from tests.proofs.conftest import REPOSITORY, KnownLab, Size

PAGES = [REPOSITORY / "docs" / name for name in ("sql-cookbook.md", "how-numbers-are-computed.md")]
BLOCK = re.compile(r"```sql\n(?P<query>.*?)```\n(?:\n(?P<shown>(?:\|[^\n]*\n)+))?", re.DOTALL)


def result(warehouse: duckdb.DuckDBPyConnection, query: str) -> str:
    found = warehouse.sql(query)
    lines = [found.columns, ["---"] * len(found.columns), *found.fetchall()]
    return "".join("| " + " | ".join(map(_shown, line)) + " |\n" for line in lines)


def _shown(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return (
        text.partition(".")[0].replace("|", "\\|")
        if re.match(r"\d{4}-\d\d-\d\d ", text)
        else text.replace("|", "\\|").replace("\n", " ")
    )


@pytest.mark.parametrize("known_lab", [pytest.param(Size(days=12, seed=1), id="small")], indirect=True)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_query_returns_what_is_shown(page: Path, known_lab: KnownLab) -> None:
    text = page.read_text()
    with known_lab.home.warehouse() as warehouse:
        fresh = BLOCK.sub(
            lambda block: f"```sql\n{block['query']}```\n\n{result(warehouse, block['query'])}", text
        )
    if os.environ.get("FLAKEHOUSE_REWRITE_DOCS"):
        page.write_text(fresh)
    assert BLOCK.search(text)
    assert text == fresh
