"""Every draw of the world comes from a named stream, so that a day never depends on which days came before."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from hashlib import blake2b

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_EPOCH = date(1970, 1, 1).toordinal()


def stream(*key: object) -> random.Random:
    """A generator that gives the same numbers for the same key, in every process and on every machine."""
    return random.Random("/".join(map(str, key)))


def fraction(*key: object) -> float:
    """One number in [0, 1) that belongs to the key."""
    return int.from_bytes(blake2b("/".join(map(str, key)).encode(), digest_size=6).digest()) / 2**48


def hex_digits(count: int, *key: object) -> str:
    return blake2b("/".join(map(str, key)).encode(), digest_size=32).hexdigest()[:count]


def guid(*key: object) -> str:
    digits = hex_digits(32, *key)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def midnight(ordinal: int) -> int:
    """The first millisecond of a UTC day, given as a proleptic ordinal."""
    return (ordinal - _EPOCH) * DAY


def ordinal_of(at: int) -> int:
    return at // DAY + _EPOCH


def utc(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
