"""Families: the same whatever the order, only ever merged, named by the oldest; and how well they fit labelled logs."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from math import comb
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.lib.failure_families import ALGORITHM_VERSION, SCHEMA, _Likeness, failure_families
from simlab.world import causes

from .compiled_macros import templates

REPOSITORY = Path(__file__).parents[2]
LABELLED = Path(os.environ.get("FLAKEHOUSE_TEST_DATA", REPOSITORY.parent / "shared" / "data")) / "loghub-dev"
START = datetime(2026, 1, 1, tzinfo=UTC)

TEXTS = [
    "no such element",
    "Basket of <n> items was not saved: true",
    "Basket of <id> items was not saved: false",
    "Session opened for the user anna",
    "Session opened for the user bruno",
    "Session opened for the user chiara",
    "Session opened for the user dmitri",
    "Session closed for the user anna",
    "AssertionError: CartBadge readCount shows <n>\nCartBadge.readCount (CartBadge.js:<n>:<n>)",
    "El contador CartBadge (readCount) no cambia",
    "java.lang.NullPointerException\ncom.acme.Cart.add(Cart.java:<n>)\ncom.acme.CartTest.adds(CartTest.java:<n>)",
    "java.lang.NullPointerException\ncom.acme.Pay.tap(Pay.java:<n>)\ncom.acme.CartTest.adds(CartTest.java:<n>)",
    "java.lang.NullPointerException\ncom.acme.Pay.tap(Pay.java:<n>)\ncom.acme.PayTest.pays(PayTest.java:<n>)",
    "TimeoutError: Timeout <n> exceeded.\nSeatMap.pickSeat (SeatMap.js:<n>:<n>)",
    'AssertionError\nseat_map.py", line <n>, in pick_seat',
    "System.NullReferenceException\nAcme.Travel.SeatMap.PickSeat() in SeatMap.cs:line <n>",
    "SeatMap pickSeat: zwei Plätze an einem Ort",
    "TimeoutError: Timeout <n> exceeded.\nBasePage.click (BasePage.js:<n>:<n>)",
    "no such element\nBasePage.click (BasePage.js:<n>:<n>)",
    "Nobody answers to 'rain jacket' in this shop",
    "Nobody answers to 'kettle' in this shop",
    "Nobody answers to 'tea set' in this shop",
    "Nobody answers to 'the wall clock' in this shop",
]


def table(texts, moments=None):
    moments = moments or {text: START + timedelta(hours=number) for number, text in enumerate(texts)}
    return pa.table({
        "failure_id": [identity(text) for text in texts],
        "template": texts,
        "first_seen_at": pa.array([moments[text] for text in texts], pa.timestamp("us", tz="UTC")),
    })  # fmt: skip


def identity(text):
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324


def family_of(texts, moments=None):
    found = failure_families(table(texts, moments)).to_pydict()
    of = dict(zip(found["failure_id"], found["family_id"], strict=True))
    return {text: of[identity(text)] for text in texts}


def merges_of(texts, moments=None):
    """Former name: the family it was merged into, and the failure that joined them."""
    rows = failure_families(table(texts, moments)).to_pylist()
    return {
        row["failure_id"]: (row["merged_into_family_id"], row["joined_by_failure_id"])
        for row in rows
        if row["merged_into_family_id"]
    }


def groups(of):
    members = {}
    for text, family in of.items():
        members.setdefault(family, set()).add(text)
    return {frozenset(texts) for texts in members.values()}


def test_like_texts_are_one_family_and_unlike_ones_are_not():
    assert (
        groups(family_of(TEXTS))
        == {
            frozenset(TEXTS[:1]),
            frozenset(TEXTS[1:3]),  # what is masked, and true or false, does not tell failures apart
            frozenset(TEXTS[3:7]),  # four words in one place are a variable
            frozenset(TEXTS[7:8]),
            frozenset(TEXTS[8:10]),  # the same member of the same type, in any language
            frozenset(
                TEXTS[10:11]
            ),  # an exception without words needs the innermost frame, not only its test's
            frozenset(TEXTS[11:13]),
            frozenset(
                TEXTS[13:17]
            ),  # a message without a name of the application is told by its innermost frame,
            frozenset(TEXTS[17:18]),  # but only where another message names that frame's member
            frozenset(TEXTS[18:19]),
            frozenset(TEXTS[19:]),  # what is quoted is one word
        }
    )


def test_three_words_in_one_place_may_be_opposites():
    assert len(groups(family_of(TEXTS[3:6]))) == 3


def test_a_family_is_named_by_its_oldest_member_the_smallest_id_at_ties():
    moments = dict.fromkeys(TEXTS, START)
    moments[TEXTS[5]] = START - timedelta(days=1)
    of = family_of(TEXTS, moments)
    assert {of[text] for text in TEXTS[3:7]} == {identity(TEXTS[5])}
    assert {of[text] for text in TEXTS[1:3]} == {min(identity(TEXTS[1]), identity(TEXTS[2]))}


def test_the_result_has_its_schema_even_without_rows():
    assert failure_families(table([])).schema == SCHEMA
    found = failure_families(table(TEXTS))
    assert found.schema == SCHEMA
    assert set(found["algorithm_version"].to_pylist()) == {ALGORITHM_VERSION}


def many_texts(count, seed=1):
    draw = random.Random(seed)
    words = [
        f"{a}{b}"
        for a in ("cart", "pay", "login", "search", "offer")
        for b in ("open", "failed", "empty", "late", "denied", "lost")
    ]
    return list(
        dict.fromkeys(" ".join(draw.choice(words) for _ in range(draw.randint(3, 6))) for _ in range(count))
    )


def test_order_does_not_matter():
    texts = many_texts(400) + TEXTS
    moments = {text: START + timedelta(hours=number % 7) for number, text in enumerate(texts)}
    expected = family_of(texts, moments)
    for seed in range(5):
        random.Random(seed).shuffle(texts)
        assert family_of(texts, moments) == expected


def test_a_new_text_can_only_merge_families():
    texts = many_texts(400) + TEXTS
    merged = 0
    for seed in range(5):
        known = random.Random(seed).sample(texts, len(texts) // 2)
        before, after = family_of(known), family_of(texts)
        for members in groups(before):
            assert len({after[text] for text in members}) == 1
        merged += len(groups(before)) - len({after[text] for text in known})
    assert merged > 0


def test_the_text_that_joins_families_is_recorded_with_their_names():
    texts = [
        "the CartBadge readCount is off",
        "el OfferList sortBy no cambia",
        "CartBadge readCount: OfferList sortBy",
    ]
    first, second, joining = (identity(text) for text in texts)
    assert merges_of(texts) == {second: (first, joining), joining: (first, joining)}
    assert merges_of(texts[:2]) == {}


def test_a_family_changes_its_name_only_through_a_recorded_merge():
    """Whatever is added, later or earlier in history: the former name is merged, step by step, into the new one."""
    texts = many_texts(400) + TEXTS
    renamed = 0
    for seed in range(5):
        draw = random.Random(seed)
        moments = {text: START + timedelta(hours=draw.randrange(500)) for text in texts}
        known = draw.sample(texts, len(texts) // 2)
        before, after, merges = (
            family_of(known, moments),
            family_of(texts, moments),
            merges_of(texts, moments),
        )
        for text in known:
            name = before[text]
            while name in merges:
                name = merges[name][0]
            assert name == after[text]
            renamed += before[text] != after[text]
    assert renamed > 0


def test_merges_are_the_same_in_any_order():
    texts = many_texts(400) + TEXTS
    moments = {text: START + timedelta(hours=number % 7) for number, text in enumerate(texts)}
    expected = merges_of(texts, moments)
    random.Random(1).shuffle(texts)
    assert merges_of(texts, moments) == expected


def test_work_grows_with_the_texts_and_not_with_their_square():
    draw = random.Random(3)
    words = ["".join(draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(6)) for _ in range(3000)]
    texts = list(
        dict.fromkeys("Error in " + " ".join(draw.choice(words) for _ in range(12)) for _ in range(8_000))
    )

    def looked_at(count):
        likeness = _Likeness()
        return sum(1 for row, text in enumerate(texts[:count]) for _ in likeness.of(row, text))

    assert looked_at(8_000) < 5 * looked_at(
        2_000
    )  # four times the texts; 16 times the work if it were the square


def grouping_accuracy(found, truth):
    sizes, labels, both = Counter(found), Counter(truth), Counter(zip(found, truth, strict=True))
    return sum(n for (f, t), n in both.items() if n == sizes[f] == labels[t]) / len(truth)


def pairs(counter):
    return sum(comb(n, 2) for n in counter.values())


def precision(found, truth):
    return pairs(Counter(zip(found, truth, strict=True))) / pairs(Counter(found))


def adjusted_rand_index(found, truth):
    together, found_pairs, true_pairs = (
        pairs(Counter(zip(found, truth, strict=True))),
        pairs(Counter(found)),
        pairs(Counter(truth)),
    )
    by_chance = found_pairs * true_pairs / comb(len(truth), 2)
    return (together - by_chance) / ((found_pairs + true_pairs) / 2 - by_chance)


@pytest.fixture(scope="module")
def labelled():
    """For each family of log lines: failure ids, family ids and true labels, line by line."""
    if not LABELLED.is_dir():
        pytest.skip(f"no labelled log lines in {LABELLED.name}/")
    found = {}
    for path in sorted(LABELLED.glob("*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        texts = templates([line["message"] for line in lines])
        of = family_of(list(dict.fromkeys(texts)))
        found[path.name] = (texts, [of[text] for text in texts], [line["event_id"] for line in lines])
    return found


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def test_failure_ids_fit_labelled_logs(labelled):
    assert mean(precision(ids, truth) for ids, _, truth in labelled.values()) >= 0.99
    assert mean(adjusted_rand_index(ids, truth) for ids, _, truth in labelled.values()) >= 0.91


def test_families_fit_labelled_logs(labelled):
    assert mean(grouping_accuracy(families, truth) for _, families, truth in labelled.values()) > 0.875
    assert mean(adjusted_rand_index(families, truth) for _, families, truth in labelled.values()) > 0.956


@pytest.fixture(scope="module")
def failures_of_the_lab():
    """By seed: failure ids, family ids and true causes of 2,000 messages, in seven languages' stack traces."""
    found = {}
    for seed in (1, 2, 3):
        draw = random.Random(seed)
        frames = [
            f"{area}.{area.capitalize()}Tests.checks{n}" for area in ("shop", "bank") for n in "abcdefgh"
        ]
        true = [draw.choice([*causes.TEST_CAUSES, *causes.MANUAL_CAUSES]) for _ in range(2000)]
        messages = [causes.message(causes.BY_ID[cause], draw.choice(frames), draw) for cause in true]
        texts = templates(messages)
        of = family_of(list(dict.fromkeys(texts)))
        found[seed] = (messages, texts, [of[text] for text in texts], true)
    return found


def test_no_failure_id_of_the_lab_lies_over_two_causes(failures_of_the_lab):
    for messages, ids, _, true in failures_of_the_lab.values():
        by_id = {}
        for message, found, cause in zip(messages, ids, true, strict=True):
            if found and not message.endswith("..."):
                by_id.setdefault(found, set()).add(cause)
        assert not [causes for causes in by_id.values() if len(causes) > 1]


def test_families_of_the_lab_are_its_causes(failures_of_the_lab):
    for _, _, families, true in failures_of_the_lab.values():
        assert adjusted_rand_index(families, true) >= 0.9
