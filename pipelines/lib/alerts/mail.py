"""A message as an e-mail in plain text (RFC 5322), by SMTP."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from urllib.parse import unquote, urlsplit

from pipelines.lib.alerts import Message

_SECONDS = 15
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def rendered(message: Message, sender: str, recipients: Sequence[str], now: datetime) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = message.title
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = make_msgid(domain="flakehouse.invalid")
    mail["Auto-Submitted"] = "auto-generated"
    lines = []
    for group in message.groups:
        lines += [group.heading, ""]
        for finding in group.findings:
            lines.append(f"- {finding.text}")
            lines += [f"  {finding.link}"] if finding.link else []
        lines += [f"and {group.others} more"] if group.others else []
        lines.append("")
    mail.set_content("\n".join([*lines, message.link, ""]))
    return mail


def send(mail: EmailMessage, server: str) -> None:
    """By `smtps://` with TLS from the start; by `smtp://` with STARTTLS, without which no password leaves this machine."""
    place = urlsplit(server)
    host, context = place.hostname or "", ssl.create_default_context()
    if place.scheme == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            host, place.port or 465, timeout=_SECONDS, context=context
        )
    else:
        connection = smtplib.SMTP(host, place.port or 25, timeout=_SECONDS)
    with connection as smtp:
        smtp.ehlo()
        is_secret = place.scheme == "smtps"
        if not is_secret and smtp.has_extn("starttls"):
            smtp.starttls(context=context)
            smtp.ehlo()
            is_secret = True
        if place.username:
            if not is_secret and host not in _LOOPBACK:
                raise smtplib.SMTPNotSupportedError("the server offers no TLS: the password was not sent")
            smtp.login(unquote(place.username), unquote(place.password or ""))
        smtp.send_message(mail)
