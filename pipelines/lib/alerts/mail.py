"""A message as an e-mail in plain text (RFC 5322), by SMTP."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from urllib.parse import unquote, urlsplit

from pipelines.lib.alerts import Message

_READY = 220
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


def send(mail: EmailMessage, server: str, seconds: float) -> None:
    """By `smtps://` with TLS from the start; by `smtp://` with STARTTLS, without which no password leaves this machine.

    OSError once it takes longer than `seconds`; nothing is sent after that.
    """
    ends = time.monotonic() + seconds
    place = urlsplit(server)
    host, context = place.hostname or "", ssl.create_default_context()
    is_secret = place.scheme == "smtps"
    smtp = smtplib.SMTP_SSL(timeout=seconds, context=context) if is_secret else smtplib.SMTP(timeout=seconds)
    smtp._host = host  # whose certificate it must be. Given to SMTP() it would connect before anybody watches
    with _ended(smtp, ends), smtp:
        code, said = smtp.connect(host, place.port or (465 if is_secret else 25))
        if code != _READY:
            raise smtplib.SMTPConnectError(code, said)
        if time.monotonic() >= ends:
            raise TimeoutError
        smtp.ehlo()
        if not is_secret and smtp.has_extn("starttls"):
            smtp.starttls(context=context)
            smtp.ehlo()
            is_secret = True
        if place.username:
            if not is_secret and host not in _LOOPBACK:
                raise smtplib.SMTPNotSupportedError("the server offers no TLS: the password was not sent")
            smtp.login(unquote(place.username), unquote(place.password or ""))
        smtp.send_message(mail)


@contextmanager
def _ended(smtp: smtplib.SMTP, ends: float) -> Iterator[None]:
    """Hangs up at that moment: smtplib counts its seconds anew with every byte that comes."""
    timer = threading.Timer(ends - time.monotonic(), _hang_up, [smtp])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(smtp: smtplib.SMTP) -> None:
    if smtp.sock is not None:
        with suppress(OSError):
            socket.socket.shutdown(smtp.sock, socket.SHUT_RDWR)  # of TLS, too: without a farewell that waits
