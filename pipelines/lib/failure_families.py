"""One row per failure id: the family of failures whose texts are alike, and how it came to be in it.

A family is a connected component of the graph whose edges join like templates. Whether two templates are joined
depends on the two alone (or, for a changing word, on how many different words stand in one place), never on their
order or number: so the result is the same on every replay, and a new template can only merge families, never split
one. Edges are found by shared keys, not by comparing pairs: the work grows with the text, not with its square.

A family is named by its oldest member. Taken in the order in which they were first seen, each template begins a
family of its own; the one that joins several leaves the oldest, and the others' names are recorded as merged into it.
So whatever named a family at any time either still does or has one merge that leads on, and the records follow from
the messages alone: nothing is remembered between builds.

The caller runs `TEMPLATES_QUERY` on the build's database after `core.fct_failure_message_days`, and writes the result
to `<derived>/failure_families/*.parquet`, where dbt's source `derived.failure_families` reads it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator
from datetime import UTC, datetime

import pyarrow as pa

ALGORITHM_VERSION = "2"

TEMPLATES_QUERY = """
    select failure_id, template, min(first_seen_at) as first_seen_at
    from core.fct_failure_message_days
    group by failure_id, template
"""

SCHEMA = pa.schema(
    [
        ("failure_id", pa.string()),
        ("family_id", pa.string()),
        ("algorithm_version", pa.string()),
        ("merged_into_family_id", pa.string()),  # then; null for what names its family still
        ("merged_at", pa.timestamp("us", "UTC")),
        ("joined_by_failure_id", pa.string()),
    ]
)

# So many different words in one place of otherwise equal texts are a variable: two or three may be the opposites
# that tell failures apart ("opened", "closed"; GET, POST, PUT).
_WORDS_OF_A_VARIABLE = 4
# A place is only compared where at least so many words stand around it: less would join unlike short texts.
_WORDS_AROUND = 3
# A message of fewer words ("java.lang.NullPointerException"), or of a framework's words only, says too little to join
# failures of one outer frame: that is most often the test.
_WORDS_OF_A_MESSAGE = 4
_LONG_AGO = datetime.min.replace(tzinfo=UTC)  # its place is taken by what is not known, which comes last
_LONGEST_COMPARED = 80  # tokens; longer texts are logs or dumps, and differ in more than one place

_CONSTANT = re.compile(r"\b(true|false|null|nil|none|True|False|None)\b")
_PARENTHESIS = re.compile(r"\( *(<[a-z]+>)? *\)?")
_MASK = re.compile(r"<(n|id|address|path|url|time)>")
_UNIT = re.compile(r"(?<=<v>) ?([KMGT]?i?B|ms|s|secs?|seconds?|minutes?|bytes)\b")
_ROW_OF_MASKS = re.compile(r"<v>([ ,;/|.:-]*<v>)+")
_QUOTED = (
    r"""(?<![A-Za-z])'[^'\n]{1,60}'(?![A-Za-z])|"[^"\n]{1,60}"|“[^”\n]{1,60}”|«[^»\n]{1,60}»|`[^`\n]{1,60}`"""
)
_TOKEN = re.compile(_QUOTED + r"|<v>|[^\s<>=:,()\[\]{}\"'|]+|[=:,()\[\]{}\"'|]")
_WORD = re.compile(r"[A-Za-z]{2,}")
# A type of the tested application and one of its members: "CartBadge readCount", "CartBadge.readCount", "CartBadge: redeem".
_MEMBER = re.compile(r"([A-Z][a-z]+(?:[A-Z][a-z]+)+)[ .:(]{1,3}([a-z]+[A-Za-z]*)")
_PYTHON_FRAME = re.compile(r"([\w-]+)\.py\", line <n>, in (\w+)")
_AFTER_THE_MEMBER = re.compile(r"[(\]]| \+ | in ")
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
    of_age = templates.sort_by([("failure_id", "ascending")])
    rows = zip(
        *(of_age.column(name).to_pylist() for name in ("failure_id", "template", "first_seen_at")),
        strict=True,
    )
    oldest_first = sorted(rows, key=lambda row: (row[2] is None, row[2] or _LONG_AGO, row[0]))
    ids = [row[0] for row in oldest_first]
    moments = [row[2] for row in oldest_first]
    components = _Components(len(ids))
    likeness = _Likeness()
    merges: dict[int, tuple[int, int]] = {}
    for row, (_, template, _) in enumerate(oldest_first):
        families = {components.root(other) for other in likeness.of(row, template)} | {row}
        survivor, *merged = sorted(families)
        for family in merged:
            components.join(family, survivor)
            merges[family] = survivor, row
    into = [merges.get(row, (None, None)) for row in range(len(ids))]
    return pa.table(
        [
            ids,
            [ids[components.root(row)] for row in range(len(ids))],
            [ALGORITHM_VERSION] * len(ids),
            [None if family is None else ids[family] for family, _ in into],
            [None if by is None else moments[by] for _, by in into],
            [None if by is None else ids[by] for _, by in into],
        ],
        schema=SCHEMA,
    ).sort_by([("failure_id", "ascending")])


class _Likeness:
    """What the templates so far have in common with the next."""

    def __init__(self) -> None:
        self._by_key: dict[Hashable, int] = {}
        self._by_place: dict[Hashable, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._variables: dict[Hashable, int] = {}
        self._told_by_frame: dict[Hashable, list[int]] = defaultdict(list)

    def of(self, row: int, template: str) -> Iterator[int]:
        """Earlier rows that are like this one, at least one of each family; remembers it for the rows to come."""
        message, *frames = template.split("\n")
        normal = _normal(message)
        for key in _keys(message, normal, frames):
            yield self._by_key.setdefault(key, row)
            yield from self._told_by_frame.pop(key, ())
        if frames and (key := _told_by_frame(message, frames[0])):
            if key in self._by_key:
                yield self._by_key[key]
            else:
                self._told_by_frame[key].append(row)
        for place, token in _places(normal):
            if place in self._variables:
                yield self._variables[place]
                continue
            words = self._by_place[place]
            words[token].append(row)
            if len(words) >= _WORDS_OF_A_VARIABLE:
                yield from (other for others in self._by_place.pop(place).values() for other in others)
                self._variables[place] = row


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
        words = _WORD.findall(normal.replace("<v>", ""))
        says_enough = len(words) >= _WORDS_OF_A_MESSAGE and _own_names(message)
        for frame in frames if says_enough else frames[:1]:
            yield "text and frame", normal, frame
    yield from _members(message)
    names = _own_names(message)
    if len(names) > 1:
        yield "names", tuple(sorted(names))


def _members(message: str) -> Iterator[Hashable]:
    """Members of the application's types that the message names."""
    for owner, member in _MEMBER.findall(_MASK.sub(" ", message)):
        if not _FRAMEWORK_NAME.search(owner) and member not in _GRAMMAR:
            yield "member", owner.lower(), member.lower()


def _own_names(message: str) -> set[str]:
    """Names of the application that the message contains."""
    return {
        name.replace("_", "").lower()
        for name in _IDENTIFIER.findall(_MASK.sub(" ", message))
        if _OWN_NAME.fullmatch(name) and not _FRAMEWORK_NAME.search(name)
    }


def _told_by_frame(message: str, innermost: str) -> Hashable | None:
    """The member in which it happened, where the message ("Timeout exceeded") names nothing of the application.

    Only messages that name the member join such failures: a helper that every test calls is named by none.
    """
    if _own_names(message):
        return None
    if module := _PYTHON_FRAME.match(innermost):
        owner, member = module.groups()
    else:
        names = _IDENTIFIER.findall(_AFTER_THE_MEMBER.split(innermost, maxsplit=1)[0])
        if len(names) < 2:
            return None
        owner, member = names[-2:]
    return "member", owner.replace("_", "").lower(), member.replace("_", "").lower()


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
