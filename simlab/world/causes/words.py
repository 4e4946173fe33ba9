"""A cause, its wordings, and how a wording becomes the message of one run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from simlab.world.causes.traces import trace


@dataclass(frozen=True, slots=True)
class Wording:
    """One text of a cause. `style` names the stack trace that follows it; `plain` has none."""

    style: str
    text: str


@dataclass(frozen=True, slots=True)
class Cause:
    """`reason` is the vendor's failure or blocked reason that a careful person would choose."""

    cause_id: str
    reason: str | None
    frames: tuple[str, ...]  # the application's own, innermost first, as area.Class.method
    wordings: tuple[Wording, ...]


def cause(cause_id: str, reason: str | None, frames: str, *wordings: tuple[str, str]) -> Cause:
    return Cause(cause_id, reason, tuple(frames.split()), tuple(Wording(*w) for w in wordings))


_PEOPLE = ("amelia", "bruno", "chiara", "dmitri", "esther", "farouk", "greta", "hiroshi", "ingrid", "joaquin")
_PRODUCTS = (
    "kettle",
    "umbrella",
    "desk lamp",
    "rain jacket",
    "headphones",
    "tea set",
    "backpack",
    "wall clock",
)
_CITIES = ("Lisbon", "Nairobi", "Oslo", "Quito", "Seoul", "Zürich", "Málaga", "Perth")
_STAGES = ("staging", "preprod", "integration", "canary")

_FILL: dict[str, Callable[[Random], str]] = {
    "n": lambda r: str(int(r.random() * 40) + 2),
    "big": lambda r: str(int(r.random() * 9_000_000) + 1000),
    "ms": lambda r: str(int(r.random() * 59_000) + 1000),
    "seconds": lambda r: str(int(r.random() * 55) + 5),
    "price": lambda r: f"{r.random() * 300:.2f}",
    "hex": lambda r: f"{int(r.random() * 2**32):08x}",
    "address": lambda r: f"0x{int(r.random() * 2**44):012x}",
    "uuid": lambda r: f"{int(r.random() * 2**32):08x}-{int(r.random() * 2**16):04x}-4{int(r.random() * 4096):03x}-a{int(r.random() * 4096):03x}-{int(r.random() * 2**48):012x}",
    "person": lambda r: _PEOPLE[int(r.random() * len(_PEOPLE))],
    "product": lambda r: _PRODUCTS[int(r.random() * len(_PRODUCTS))],
    "city": lambda r: _CITIES[int(r.random() * len(_CITIES))],
    "stage": lambda r: _STAGES[int(r.random() * len(_STAGES))],
    "ip": lambda r: f"10.{int(r.random() * 250)}.{int(r.random() * 250)}.{int(r.random() * 250) + 1}",
    "port": lambda r: str(int(r.random() * 20_000) + 30_000),
    "time": lambda r: f"2024-{int(r.random() * 12) + 1:02d}-{int(r.random() * 28) + 1:02d}T{int(r.random() * 24):02d}:{int(r.random() * 60):02d}:{int(r.random() * 60):02d}.{int(r.random() * 1000):03d}Z",
    "date": lambda r: f"20{20 + int(r.random() * 6):02d}-{int(r.random() * 12) + 1:02d}-{int(r.random() * 28) + 1:02d}",
}  # fmt: skip
_SLOT = re.compile(r"\{(" + "|".join(_FILL) + r")\}")

# The first wording is what one mostly sees; the others share the rest.
_FIRST_WORDING = 0.35
_TRUNCATIONS = (255, 500, 160)
TRUNCATED, DUMPED = 0.05, 0.012


def fill(text: str, rng: Random) -> str:
    return _SLOT.sub(lambda slot: _FILL[slot.group(1)](rng), text)


def message(failing: Cause, test_frame: str, rng: Random) -> str:
    """One run's text: a wording with its values, its stack trace, now and then cut off or with a page dump."""
    wordings = failing.wordings
    draw = rng.random()
    if draw < _FIRST_WORDING:
        wording = wordings[0]
    else:
        wording = wordings[int((draw - _FIRST_WORDING) / (1 - _FIRST_WORDING) * len(wordings))]
    text = fill(wording.text, rng)
    if wording.style != "plain":
        text = trace(wording.style, text, failing.frames, test_frame, rng)
    draw = rng.random()
    if draw < TRUNCATED:
        return _cut(text, _TRUNCATIONS[int(draw / TRUNCATED * len(_TRUNCATIONS))], failing)
    if draw < TRUNCATED + DUMPED:
        return text + _page_dump(rng)
    return text


def _cut(text: str, limit: int, failing: Cause) -> str:
    """The text's beginning, where that still names what is broken: else nothing could tell two causes apart."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 3]
    broken = failing.frames[0].split(".")[1] if failing.frames else ""
    return kept + "..." if broken in kept else text


def _page_dump(rng: Random) -> str:
    """Several kilobytes of what was on the screen, in more than one script."""
    labels = ("Weiter", "続ける", "Próximo", "Продолжить", "Continuer", "次へ ✓", "Añadir", "Cart 🛒")
    lines = [
        f'\t<node index="{i}" text="{labels[int(rng.random() * 8)]}" bounds="[{int(rng.random() * 900)},'
        f'{i * 11}][1080,{i * 11 + 96}]" enabled="\\u003dtrue"/>'
        for i in range(40 + int(rng.random() * 60))
    ]
    return '\nPage source:\n<hierarchy rotation="0">\n' + "\n".join(lines) + "\n</hierarchy>\n"
