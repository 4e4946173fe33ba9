"""A message as Slack's incoming webhooks take it: Block Kit, with its limits.

https://docs.slack.dev/reference/block-kit/blocks: a header has 150 characters at most, a section 3,000, a message 50
blocks; all blocks together about 13,000, as users found (slackapi/bolt-js issue 2509).
"""

from __future__ import annotations

from typing import Any

from pipelines.lib.alerts import Finding, Message, shortened

_HEADER, _SECTION, _LINE, _ALL = 150, 3_000, 280, 12_000


def payload(message: Message) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": shortened(message.title, _HEADER)}}
    ]
    room = _ALL
    for group in message.groups:
        lines = [f"*{_escaped(group.heading)}*", *(_line(finding) for finding in group.findings)]
        if group.others:
            lines.append(f"and {group.others} more")
        text = _within(lines, min(_SECTION, room))
        if text:
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
            room -= len(text)
    blocks.append(
        {"type": "context", "elements": [{"type": "mrkdwn", "text": f"<{message.link}|Open flakehouse>"}]}
    )
    return {"text": message.title, "blocks": [blocks[0], *blocks[1:-1][:48], blocks[-1]]}


def _line(finding: Finding) -> str:
    text = _escaped(shortened(" ".join(finding.text.split()), _LINE))
    return f"• {text} <{finding.link}|look>" if finding.link else f"• {text}"


def _within(lines: list[str], most: int) -> str:
    """As many whole lines as there is room for: half a link would not be one."""
    kept: list[str] = []
    for line in lines:
        if sum(map(len, kept)) + len(kept) + len(line) > most:
            break
        kept.append(line)
    return "\n".join(kept)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
