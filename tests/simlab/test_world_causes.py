"""Causes and their wordings: many texts for one reason, and no text that two reasons share."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import combinations
from random import Random

import pytest

from simlab.world.causes import BY_ID, MANUAL_CAUSES, PRODUCT_CAUSES, TEST_CAUSES, Cause, message
from simlab.world.causes.traces import STYLES, trace
from simlab.world.causes.words import _FILL, fill

FRAME = "shop.ShopTests.cartSurvivesRotation"


def skeleton(text: str) -> str:
    """What is left of a text without its numbers, ids and folders."""
    text = re.sub(r"[^\s(\"]*[/\\]", "", text)
    return re.sub(r"[0-9a-f]*\d[0-9a-f]*", "#", text)


def spoken(cause: Cause, seed: int) -> set[str]:
    """The skeleton of each wording, as one run with these values shows it."""
    found = set()
    for wording in cause.wordings:
        text = fill(wording.text, Random(seed))
        if wording.style != "plain":
            text = trace(wording.style, text, cause.frames, FRAME, Random(seed))
        found.add(skeleton(text))
    return found


def test_there_are_thirty_causes_or_more_with_five_different_wordings_or_more() -> None:
    assert len(TEST_CAUSES) >= 30
    for cause in BY_ID.values():
        assert len(cause.wordings) >= 5
        assert len({(w.style, w.text) for w in cause.wordings}) == len(cause.wordings)
        assert len(spoken(cause, 1)) == len(cause.wordings)


def test_no_two_causes_share_a_wording_with_its_frames() -> None:
    texts = {cause.cause_id: spoken(cause, 7) for cause in BY_ID.values()}
    assert not [(one, two) for one, two in combinations(texts, 2) if texts[one] & texts[two]]


def test_some_wordings_say_nothing_and_only_frames_tell_their_causes_apart() -> None:
    causes_of = defaultdict(set)
    for cause in BY_ID.values():
        for wording in cause.wordings:
            causes_of[wording.style, wording.text].add(cause.cause_id)
    shared = {wording for wording, of in causes_of.items() if len(of) > 1}
    assert len(shared) >= 4
    assert all(style != "plain" for style, _ in shared)


@pytest.mark.parametrize("cause_id", [*TEST_CAUSES, *MANUAL_CAUSES])
def test_a_cause_is_never_told_in_words_of_another(cause_id: str) -> None:
    """A thousand messages, cut ones and those with a page dump among them."""
    rng = Random(cause_id)
    heads = {skeleton(message(BY_ID[cause_id], FRAME, rng))[:2000] for _ in range(1000)}
    others = {text for other in BY_ID.values() if other.cause_id != cause_id for text in spoken(other, 3)}
    assert not heads & others
    assert len(heads) >= 5


def test_wordings_use_every_tool_chain_and_several_languages() -> None:
    wordings = [w for cause in BY_ID.values() for w in cause.wordings]
    assert {w.style for w in wordings} == {"plain", *STYLES}
    texts = "\n".join(w.text for w in wordings)
    assert re.search("[ぁ-んァ-ン]", texts)
    assert all(word in texts for word in ("nicht", "n'a pas", "no cambió", "não confere"))


def test_values_of_wordings_come_with_and_without_digits() -> None:
    rng, slots = Random(1), "|".join(_FILL)
    has_digit = {name: any(c.isdigit() for c in make(rng)) for name, make in _FILL.items()}
    assert set(has_digit.values()) == {True, False}
    for cause in BY_ID.values():
        for wording in cause.wordings:
            assert not re.search(rf"\{{({slots})\}}", fill(wording.text, rng))


def test_traces_put_the_applications_frames_among_those_of_frameworks() -> None:
    for style in STYLES:
        lines = trace(
            style, "Boom", ("cart.CartBadge.readCount", "cart.CartFlow.add"), FRAME, Random(2)
        ).split("\n")
        own = [i for i, line in enumerate(lines) if re.search("CartBadge|cart_badge", line)]
        assert own, style
        assert len(lines) > len(own) + 2


def test_some_messages_are_cut_and_some_are_kilobytes_long() -> None:
    rng = Random(3)
    texts = [message(BY_ID[PRODUCT_CAUSES[i % len(PRODUCT_CAUSES)]], FRAME, rng) for i in range(3000)]
    cut = [text for text in texts if text.endswith("...") and len(text) in (160, 255, 500)]
    long = [text for text in texts if len(text) > 4000]
    assert 0.01 < len(cut) / len(texts) < 0.08
    assert 0.005 < len(long) / len(texts) < 0.03
    assert all("\n" in text and "続ける" in text for text in long)
