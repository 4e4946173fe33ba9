"""A build that makes the touched days anew equals one that makes everything anew, whatever happened to the lake."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest

from .builds import Home
from .changing_lake import ChangingLake


def test_a_build_of_touched_days_equals_a_build_of_everything(tmp_path: Path) -> None:
    lake = ChangingLake(tmp_path / "lake", seed=6, days=8)
    touched = Home(tmp_path / "touched", lake.folder)
    touched.build()
    lake.move_a_run()
    lake.finish_a_build_late()
    lake.give_up_a_reservation()
    lake.give_up_all_reservations()
    assert 0 < len(touched.build().touched_days or ()) < 8
    touched.test()
    assert_equal(touched, everything(tmp_path, lake))


@pytest.mark.proof
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_however_the_lake_changes_its_builds_equal_a_build_of_everything(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    lake = ChangingLake(tmp_path / "lake", seed, days=20)
    touched = Home(tmp_path / "touched", lake.folder)
    touched.build()
    for change in draw.sample(lake.changes * 2, len(lake.changes) * 2):
        change()
        assert touched.build().touched_days is not None
        assert_equal(touched, everything(tmp_path, lake))


def everything(folder: Path, lake: ChangingLake) -> Home:
    home = Home(folder / "everything", lake.folder)
    home.build(anew=True)
    return home


def assert_equal(ours: Home, theirs: Home) -> None:
    """Every published table, row by row."""
    published, expected = ours.tables(), theirs.tables()
    assert published.keys() == expected.keys()
    for table, rows in expected.items():
        assert len(published[table]) == len(rows), table
        for row, other in zip(published[table], rows, strict=True):
            assert all(map(_same, row, other)), (table, row, other)


def _same(value: Any, expected: Any) -> bool:
    """Sums of doubles depend on their order."""
    if isinstance(value, float) and isinstance(expected, float):
        return math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9)
    return value == expected
