"""The normal distribution's macros against scipy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from .compiled_macros import evaluate, macros


@pytest.mark.parametrize(("reach", "precision"), [(6, 1e-9), (37, 1e-7)])
def test_the_upper_tail_is_scipys(reach, precision):
    z = [*np.linspace(-reach, reach, 371)]
    tails = evaluate(macros()["normal_upper_tail"], pa.table({"z": z}))
    assert tails == pytest.approx(list(stats.norm.sf(z)), rel=precision, abs=0)


@pytest.mark.parametrize("degrees_of_freedom", [4, 9, 30, 100])
def test_students_t_becomes_the_normal_number_that_is_as_rare(degrees_of_freedom):
    t = [*np.linspace(-8, 8, 81)]
    z = evaluate(
        macros()["normal_of_student"],
        pa.table({"t": t, "degrees_of_freedom": [degrees_of_freedom] * len(t)}),
    )
    assert z == pytest.approx(list(stats.norm.isf(stats.t.sf(t, degrees_of_freedom))), abs=0.04)
