"""Whatever the product imports is declared for running it: what only the checks install would fail a user first."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
OURS = {"pipelines", "simlab"}
OPTIONAL = {"pyspark"}
"""Only for `build --target spark`, which says what to install."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folder: Path) -> set[str]:
    found: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.partition(".")[0])
    return found - OURS - OPTIONAL - set(sys.stdlib_module_names)


@pytest.mark.parametrize("package", sorted(OURS))
def test_what_is_imported_is_locked_for_running(package: str) -> None:
    locked = set(
        re.findall(
            r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==", (REPOSITORY / "requirements.lock").read_text(), re.M
        )
    )
    distributions = packages_distributions()
    modules = imported(REPOSITORY / package)
    assert modules
    missing = {
        module
        for module in modules
        if not {normal(d) for d in distributions.get(module, [])} & set(map(normal, locked))
    }
    assert missing == set()


def test_the_lock_holds_what_the_project_declares() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    declared = {normal(re.split(r"[\[<>=!~; ]", each)[0]) for each in project["dependencies"]}
    locked = set(
        map(
            normal,
            re.findall(
                r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==", (REPOSITORY / "requirements.lock").read_text(), re.M
            ),
        )
    )
    assert declared - locked == set()
