"""What deserves a person's attention, said once: findings, what of them is news, and the message that tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

QUIET = timedelta(hours=24)
"""A finding that was told is told again only after it was gone for so long: what comes and goes is one alert."""

MOST_OF_A_GROUP = 10
_LONGEST = 300


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or new, now. The same thing has the same `key` as long as it lasts."""

    key: str
    group: str  # findings of a kind are told together, under this heading
    text: str
    link: str | None = None


@dataclass(frozen=True)
class Group:
    heading: str
    findings: tuple[Finding, ...]  # the first of them
    others: int  # that are not named


@dataclass(frozen=True)
class Message:
    title: str
    groups: tuple[Group, ...]
    link: str
    others: int = 0  # of groups that are not named


Told = Mapping[str, str]
"""By key: when a finding that was told was last there (ISO 8601)."""


def news(findings: Iterable[Finding], told: Told, now: datetime) -> list[Finding]:
    """Findings that were not told, or were gone for long since."""
    return [
        finding
        for finding in findings
        if finding.key not in told or now - datetime.fromisoformat(told[finding.key]) > QUIET
    ]


def told_after(findings: Iterable[Finding], told: Told, now: datetime) -> dict[str, str]:
    """What is to be remembered once these were told: those that are gone for long are forgotten."""
    kept = {key: at for key, at in told.items() if now - datetime.fromisoformat(at) <= QUIET}
    return kept | {finding.key: now.isoformat() for finding in findings}


def message(findings: Sequence[Finding], link: str) -> Message:
    """One message for all of them, grouped in the order in which their groups come."""
    headings = dict.fromkeys(finding.group for finding in findings)
    groups = []
    for heading in headings:
        members = tuple(finding for finding in findings if finding.group == heading)
        groups.append(Group(heading, members[:MOST_OF_A_GROUP], max(len(members) - MOST_OF_A_GROUP, 0)))
    counted = "1 new finding" if len(findings) == 1 else f"{len(findings)} new findings"
    return Message(f"flakehouse: {counted}", tuple(groups), link)


def fitted(
    message: Message, size: Callable[[Group], int], *, most_of_a_group: int, most: int, most_groups: int
) -> Message:
    """As much of it as the receiver takes, what is largest named in part: what is not named is counted."""
    groups, dropped = [*message.groups[:most_groups]], [*message.groups[most_groups:]]
    sizes = [size(group) for group in groups]
    while groups and (max(sizes) > most_of_a_group or sum(sizes) > most):
        largest = sizes.index(max(sizes))
        group = groups[largest]
        if group.findings:
            groups[largest] = replace(group, findings=group.findings[:-1], others=group.others + 1)
            sizes[largest] = size(groups[largest])
        else:
            dropped.append(groups.pop(largest))
            sizes.pop(largest)
    others = message.others + sum(len(group.findings) + group.others for group in dropped)
    return replace(message, groups=tuple(groups), others=others)


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def one_line(text: str) -> str:
    return shortened(" ".join(text.split()), _LONGEST)
