"""Who is struck by what: drawn from the seed, the question and how often it was asked; bounded, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simlab.api.answers import draw
from simlab.faults.kinds import OF_A_LISTING, Kind

_SIDES = 1_000


@dataclass(frozen=True, slots=True)
class Profile:
    """How hard it is. A question is answered well after `most` faults at the latest, a listing after as many passes."""

    questions: int  # in a thousand that are struck
    listings: int  # in a thousand passes through a listing that are struck
    most: int


PROFILES = {"none": Profile(0, 0, 0), "flaky": Profile(250, 700, 1), "hostile": Profile(600, 800, 3)}


@dataclass(slots=True)
class _Asked:
    rounds: int = 0  # right answers so far
    strikes: int = 0  # since the last of them


class Plan:
    """Draws the next fault of a question, and remembers what struck."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self._profile = profile
        self._seed = seed
        self._questions: dict[str, _Asked] = {}
        self._passes: Counter[str] = Counter()
        self._under_way: dict[str, Kind | None] = {}
        self.strikes: Counter[tuple[Kind, str]] = Counter()  # by kind and request

    def next(self, question: str, kinds: Sequence[Kind]) -> Kind | None:
        """The fault that this question is to be struck by now; None for a right answer."""
        asked = self._questions.setdefault(question, _Asked())
        planned = self._planned(f"{question}#{asked.rounds}", kinds)
        if asked.strikes < len(planned):
            asked.strikes += 1
            return planned[asked.strikes - 1]
        asked.rounds += 1
        asked.strikes = 0
        return None

    def _planned(self, key: str, kinds: Sequence[Kind]) -> list[Kind]:
        if draw(key, f"{self._seed}/struck", _SIDES) >= self._profile.questions:
            return []
        strikes = 1 + draw(key, f"{self._seed}/strikes", self._profile.most)
        numbers = range(len(kinds))
        drawn = sorted(numbers, key=lambda number: draw(key, f"{self._seed}/kind {number}", 1 << 32))
        return list(dict.fromkeys(kinds[number] for number in drawn))[:strikes]

    def of_listing(self, listing: str, *, is_first_page: bool) -> Kind | None:
        """The fault of the pass that is under way through this listing; its first page begins another."""
        if is_first_page:
            passes = self._passes[listing]
            self._passes[listing] += 1
            key, most = f"{listing}#{passes}", self._profile.most
            is_struck = draw(key, f"{self._seed}/struck", _SIDES) < self._profile.listings
            first = draw(listing, f"{self._seed}/kind", len(OF_A_LISTING))
            kind = OF_A_LISTING[(first + passes) % len(OF_A_LISTING)]
            self._under_way[listing] = kind if is_struck and passes % (most + 1) < most else None
        return self._under_way.get(listing)

    def struck(self, kind: Kind, request: str) -> None:
        """Counts a fault that was shown."""
        self.strikes[kind, request] += 1

    def by_kind(self) -> dict[str, int]:
        """How often each kind struck; 0 for those that never did."""
        counted: Counter[Kind] = Counter()
        for (kind, _request), times in self.strikes.items():
            counted[kind] += times
        return {str(kind): counted[kind] for kind in Kind}

    def __iter__(self) -> Iterator[dict[str, object]]:
        for (kind, request), times in self.strikes.items():
            yield {"kind": str(kind), "request": request, "times": times}
