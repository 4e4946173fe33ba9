"""One row per failure id: the family of failures whose texts are alike.

A family is a connected component of the graph whose edges join like templates. Whether two templates are joined
depends on the two alone (or, for a changing word, on how many different words stand in one place), never on their
order or number: so the result is the same on every replay, and a new template can only merge families, never split
one. Edges are found by shared keys, not by comparing pairs: the work grows with the text, not with its square.

The caller runs `TEMPLATES_QUERY` on the build's database after `core.fct_failure_messages`, and writes the result
to `<derived>/failure_families/*.parquet`, where dbt's source `derived.failure_families` reads it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator

import pyarrow as pa

ALGORITHM_VERSION = "1"

TEMPLATES_QUERY = """
    select failure_id, template, min(occurred_at) as first_seen_at
    from core.fct_failure_messages
    group by failure_id, template
"""

SCHEMA = pa.schema(
    [("failure_id", pa.string()), ("family_id", pa.string()), ("algorithm_version", pa.string())]
)

# So many different words in one place of otherwise equal texts are a variable: two or three may be the opposites
# that tell failures apart ("opened", "closed"; GET, POST, PUT).
_WORDS_OF_A_VARIABLE = 4
# A place is only compared where at least so many words stand around it: less would join unlike short texts.
_WORDS_AROUND = 3
# A message of fewer words ("java.lang.NullPointerException") says too little to join failures by itself.
_WORDS_OF_A_MESSAGE = 4
_LONGEST_COMPARED = 80  # tokens; longer texts are logs or dumps, and differ in more than one place

_CONSTANT = re.compile(r"\b(true|false|null|nil|none|True|False|None)\b")
_PARENTHESIS = re.compile(r"\( *(<[a-z]+>)? *\)?")
_MASK = re.compile(r"<(n|id|address|path|url|time)>")
_UNIT = re.compile(r"(?<=<v>) ?([KMGT]?i?B|ms|s|secs?|seconds?|minutes?|bytes)\b")
_ROW_OF_MASKS = re.compile(r"<v>([ ,;/|.:-]*<v>)+")
_TOKEN = re.compile(r"<v>|[^\s<>=:,()\[\]{}\"'|]+|[=:,()\[\]{}\"'|]")
_WORD = re.compile(r"[A-Za-z]{2,}")
# A type of the tested application and one of its members: "CartBadge readCount", "CartBadge.readCount", "CartBadge: redeem".
_MEMBER = re.compile(r"([A-Z][a-z]+(?:[A-Z][a-z]+)+)[ .:(]{1,3}([a-z]+[A-Za-z]*)")
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*")
_OWN_NAME = re.compile(r"[A-Za-z]*[a-z]+(?:[A-Z][a-z]*)+|[a-z]+(?:_[a-z]+)+")
_FRAMEWORK_NAME = re.compile(
    r"(Exception|Error|Failure|Driver)$|^(XCT|XCUI|WebDriver|NoSuch|IllegalState|OpenQA|NUnit|JavaScript|GitHub)"
)
_GRAMMAR = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "because",
        "but",
        "by",
        "can",
        "cannot",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
        "or",
        "should",
        "that",
        "the",
        "this",
        "to",
        "was",
        "were",
        "when",
        "which",
        "while",
        "will",
        "with",
        "without",
        "would",
        "not",
        "no",
    ]
)


def failure_families(templates: pa.Table) -> pa.Table:
    """Families of `failure_id, template, first_seen_at`, in any order, as `SCHEMA`, ordered by failure id."""
    ids = templates.column("failure_id").to_pylist()
    texts = templates.column("template").to_pylist()
    moments = templates.column("first_seen_at").to_pylist()
    components = _Components(len(ids))
    seen: dict[Hashable, int] = {}
    places: dict[Hashable, dict[str, int]] = defaultdict(dict)
    for row, text in enumerate(texts):
        message, *frames = text.split("\n")
        normal = _normal(message)
        for key in _keys(message, normal, frames):
            components.join(seen.setdefault(key, row), row)
        for place, token in _places(normal):
            places[place].setdefault(token, row)
    for rows in places.values():
        if len(rows) >= _WORDS_OF_A_VARIABLE:
            first, *others = rows.values()
            for other in others:
                components.join(first, other)
    oldest: dict[int, int] = {}
    for row in sorted(range(len(ids)), key=lambda r: (moments[r] is None, moments[r], ids[r])):
        oldest.setdefault(components.root(row), row)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    return pa.table(
        [
            [ids[row] for row in order],
            [ids[oldest[components.root(row)]] for row in order],
            [ALGORITHM_VERSION] * len(order),
        ],
        schema=SCHEMA,
    )


def _normal(message: str) -> str:
    """The message without what the masks of the template still tell apart."""
    text = _CONSTANT.sub("<v>", message)
    text = _PARENTHESIS.sub(" (<v>) ", text)
    text = _MASK.sub("<v>", text)
    text = _UNIT.sub("", text)
    text = _ROW_OF_MASKS.sub("<v>", text)
    return " ".join(text.split())


def _keys(message: str, normal: str, frames: list[str]) -> Iterator[Hashable]:
    """Templates that share one of these are alike."""
    yield "text", normal, tuple(frames)
    if frames:
        says_enough = len(_WORD.findall(normal.replace("<v>", ""))) >= _WORDS_OF_A_MESSAGE
        for frame in frames if says_enough else frames[:1]:
            yield "text and frame", normal, frame
    unmasked = _MASK.sub(" ", message)
    for owner, member in _MEMBER.findall(unmasked):
        if not _FRAMEWORK_NAME.search(owner) and member not in _GRAMMAR:
            yield "member", owner.lower(), member.lower()
    names = {
        name.replace("_", "").lower()
        for name in _IDENTIFIER.findall(unmasked)
        if _OWN_NAME.fullmatch(name) and not _FRAMEWORK_NAME.search(name)
    }
    if len(names) > 1:
        yield "names", tuple(sorted(names))


def _places(normal: str) -> Iterator[tuple[Hashable, str]]:
    """Every token of a text, with what stands before and after it."""
    tokens = _TOKEN.findall(normal)
    if len(tokens) > _LONGEST_COMPARED:
        return
    before = [0]
    for token in tokens:
        before.append(hash((before[-1], token)))
    after = [0]
    for token in reversed(tokens):
        after.append(hash((after[-1], token)))
    words = [token.isalpha() for token in tokens]
    for place, token in enumerate(tokens):
        if sum(words) - words[place] >= _WORDS_AROUND:
            yield (place, len(tokens), before[place], after[len(tokens) - 1 - place]), token


class _Components:
    """Connected components by union and find."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, member: int) -> int:
        parent = self._parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    def join(self, one: int, other: int) -> None:
        one, other = self.root(one), self.root(other)
        if one != other:
            self._parent[max(one, other)] = min(one, other)
