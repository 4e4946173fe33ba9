"""The benches run: a few hundred rows, and no word about time."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench import commands, executions, measuring, pages
from bench.measuring import Contender
from bench.page_server import serving

EXECUTIONS, TESTS = 1_200, 30


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    place = tmp_path_factory.mktemp("bench") / "pages"
    pages.write(place, EXECUTIONS, TESTS)
    with serving(place, 0.0) as url:
        yield url, pages.Pages(place).ids


@pytest.mark.parametrize(
    "contender",
    [executions.OURS, executions.LIMIT, executions.LIMIT_TUNED, executions.DLT],
    ids=lambda c: c.label,
)
def test_every_contender_lands_every_execution(
    served: tuple[str, list[str]], tmp_path: Path, contender: Contender
) -> None:
    _skip_without_dlt(contender)
    ran = measuring.run(contender, served[0], tmp_path / "run", EXECUTIONS)
    assert ran.count == EXECUTIONS
    assert ran.seconds > 0
    assert ran.peak_bytes > 1 << 20
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("contender", [commands.OURS, commands.DLT], ids=lambda c: c.label)
def test_every_contender_lands_the_commands_of_every_test(
    served: tuple[str, list[str]], tmp_path: Path, contender: Contender
) -> None:
    _skip_without_dlt(contender)
    assert len(served[1]) == TESTS
    assert measuring.run(contender, served[0], tmp_path / "run", served[1]).count == TESTS


def test_a_contender_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="flakehouse failed"):
        measuring.run(executions.OURS, "nonsense", tmp_path / "run", 1)


def _skip_without_dlt(contender: Contender) -> None:
    if contender.label == "dlt" and find_spec("dlt") is None:
        pytest.skip("dlt is not installed: make bench")
