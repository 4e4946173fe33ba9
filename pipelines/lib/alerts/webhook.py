"""A message as plain JSON, for whatever else listens."""

from __future__ import annotations

from typing import Any

from pipelines.lib.alerts import Message


def payload(message: Message) -> dict[str, Any]:
    return {
        "title": message.title,
        "link": message.link,
        "groups": [
            {
                "heading": group.heading,
                "findings": [
                    {"key": finding.key, "text": finding.text, "link": finding.link}
                    for finding in group.findings
                ],
                "others": group.others,
            }
            for group in message.groups
        ],
    }
