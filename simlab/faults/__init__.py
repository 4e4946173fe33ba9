"""What real servers do wrong, done on purpose: `--faults flaky` now and then, `--faults hostile` all the time.

Which request is struck, how, and how often follows from the seed, from what is asked and from how often it was asked
before. Whoever asks again gets the right answer in the end.
"""

from __future__ import annotations

from simlab.faults.kinds import Kind
from simlab.faults.middleware import Faults
from simlab.faults.plan import PROFILES

__all__ = ["PROFILES", "Faults", "Kind"]
