"""A message as Slack's incoming webhooks take it: Block Kit, with its limits.

https://docs.slack.dev/reference/block-kit/blocks: a header has 150 characters at most, a section 3,000, a message 50
blocks; all blocks together about 13,000, as users found (slackapi/bolt-js issue 2509).
"""

from __future__ import annotations

from typing import Any

from pipelines.lib.alerts import Finding, Group, Message, fitted, shortened

_HEADER, _SECTION, _LINE, _ALL = 150, 3_000, 280, 12_000
_SECTIONS = 47  # beside the header, what is left out, and the link


def payload(message: Message) -> dict[str, Any]:
    shown = fitted(
        message,
        lambda group: len(_section(group)),
        most_of_a_group=_SECTION,
        most=_ALL,
        most_groups=_SECTIONS,
    )
    texts = [_section(group) for group in shown.groups]
    texts += [f"and {shown.others} more of other kinds"] if shown.others else []
    return {
        "text": message.title,
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": shortened(message.title, _HEADER)}},
            *({"type": "section", "text": {"type": "mrkdwn", "text": text}} for text in texts),
            {
                "type": "context",
                "elements": [{"type": "mrkdwn", "text": f"<{message.link}|Open flakehouse>"}],
            },
        ],
    }


def _section(group: Group) -> str:
    others = [f"and {group.others} more"] if group.others else []
    return "\n".join([f"*{_escaped(group.heading)}*", *map(_line, group.findings), *others])


def _line(finding: Finding) -> str:
    text = _escaped(shortened(" ".join(finding.text.split()), _LINE))
    return f"• {text} <{finding.link}|look>" if finding.link else f"• {text}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
