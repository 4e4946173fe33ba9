"""Delivery of a message. What is wrong is told without the address: whoever has a webhook's URL can post to it."""

from __future__ import annotations

import asyncio
import logging
import smtplib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx

from pipelines.lib.alerts import Message, mail, slack, teams, webhook
from pipelines.settings import Alert

SECONDS = 20
"""For a whole delivery, however slowly the other side answers: a tick of Dagster's has sixty."""

_RENDERERS: dict[str, Callable[[Message], dict[str, Any]]] = {
    "slack": slack.payload,
    "teams": teams.payload,
    "webhook": webhook.payload,
}
logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole URLs at INFO


class DeliveryError(Exception):
    """One line: which alert, what the other side said."""


def deliver(alert: Alert, message: Message, now: datetime) -> None:
    """Tells it; DeliveryError where the other side did not take it."""
    try:
        if alert.kind == "email":
            mail.send(
                mail.rendered(message, alert.sender, alert.recipients, now),
                alert.url.get_secret_value(),
                SECONDS,
            )
            return
        answer = asyncio.run(_posted(alert.url.get_secret_value(), _RENDERERS[alert.kind](message)))
    except (OSError, smtplib.SMTPException, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise DeliveryError(
            f"alerts.{alert.name}: {type(error).__name__}; check its url and the network"
        ) from None
    if not answer.is_success:
        raise DeliveryError(
            f"alerts.{alert.name}: HTTP {answer.status_code}; check its url and what it accepts"
        )


async def _posted(url: str, payload: dict[str, Any]) -> httpx.Response:
    """httpx counts its seconds anew with every byte that comes."""
    async with asyncio.timeout(SECONDS), httpx.AsyncClient(timeout=SECONDS) as client:
        return await client.post(url, json=payload)
