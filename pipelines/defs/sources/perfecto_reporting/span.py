"""Spans of time whose tests are listed page after page, and how a busy one falls into shorter ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

_MOST_PARTS = 128
_PARTS_OF_SEEN = 4
_SHORTEST = (
    10_000  # milliseconds: tests that start closer together are listed in a row, however many they are
)


@dataclass(frozen=True, slots=True)
class Span:
    """[start, end) in milliseconds since 1970-01-01 UTC."""

    start: int
    end: int

    @classmethod
    def between(cls, start: datetime, end: datetime) -> Span:
        return cls(_millis(start), _millis(end))

    @property
    def bounds(self) -> dict[str, str]:
        """Both are always sent, so that what starts meanwhile moves no page; the vendor includes both."""
        return {"startExecutionTime[0]": str(self.start), "endExecutionTime[0]": str(self.end - 1)}

    def parts(self, seen: Sequence[int]) -> list[Span]:
        """Equal parts that hold a quarter as many tests each as were seen already, if the others lie as densely.

        So an hour that is four times as busy need not be split again: what was listed before a split is listed twice.
        `seen` are the starts of those. No parts where the span is too short, or where the starts lie elsewhere: the
        server does not heed the bounds then, and would list the same for each part.
        """
        inside = [start for start in seen if self.start <= start < self.end]
        length = self.end - self.start
        if length < 2 * _SHORTEST or len(inside) * 2 < len(seen) or not inside:
            return []
        covered = max(inside) - min(inside) + 1
        count = min(max(2, math.ceil(_PARTS_OF_SEEN * length / covered)), _MOST_PARTS, length // _SHORTEST)
        cuts = [self.start + length * number // count for number in range(count + 1)]
        return [Span(*cut) for cut in pairwise(cuts)]


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
