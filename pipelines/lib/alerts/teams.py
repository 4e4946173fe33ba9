"""A message as a Teams workflow's webhook takes it: an Adaptive Card in an envelope, of 28 KB at most.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
"""

from __future__ import annotations

import json
from typing import Any

from pipelines.lib.alerts import Finding, Group, Message, fitted, shortened

_LINE, _BYTES = 280, 26_000


def payload(message: Message) -> dict[str, Any]:
    shown = fitted(
        message,
        lambda group: len(json.dumps(_blocks(group)).encode()),
        most_of_a_group=_BYTES,
        most=_BYTES,
        most_groups=len(message.groups),
    )
    body = [_text(message.title, weight="Bolder", size="Medium")]
    for group in shown.groups:
        body += _blocks(group)
    if shown.others:
        body.append(_text(f"and {shown.others} more of other kinds", isSubtle=True))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": "Open flakehouse", "url": message.link}],
        "msteams": {"width": "Full"},
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _blocks(group: Group) -> list[dict[str, Any]]:
    others = [_text(f"and {group.others} more", isSubtle=True)] if group.others else []
    heading = _text(_escaped(group.heading), weight="Bolder", separator=True)
    return [heading, *(_text(_line(finding)) for finding in group.findings), *others]


def _text(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **style}


def _line(finding: Finding) -> str:
    text = _escaped(shortened(" ".join(finding.text.split()), _LINE))
    return f"{text} [look]({finding.link})" if finding.link else text


def _escaped(text: str) -> str:
    """A card's text is a little Markdown: these would begin a link, emphasis or a list."""
    for sign in "\\[]*_`":
        text = text.replace(sign, f"\\{sign}")
    return text
