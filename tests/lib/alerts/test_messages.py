"""What is told, once, and in the shape that each receiver takes."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.lib.alerts import Finding, mail, message, news, sending, slack, teams, told_after
from pipelines.lib.alerts.sending import DeliveryError, deliver
from pipelines.lib.alerts.webhook import payload as webhook_payload
from pipelines.settings import Alert, SettingsError, parse_connections
from tests.lib.alerts.receivers import mail_server, webhook

NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
UI = "http://127.0.0.1:3000"
RUN = Finding("run/acme", "Failed runs", "acme: <503> & *stars* [brackets]", f"{UI}/runs/1")
LATE = Finding("check/late", "Late data", "beta: nothing is known after noon")
MANY = [Finding(f"reason/{n}", "New failure reasons", f"{n} " + "long words " * 200, UI) for n in range(40)]


def alert(kind: str, url: str, **keys: object) -> Alert:
    document = {"alerts": {"team": {"kind": kind, "url": url, **keys}}}
    return parse_connections(document, {}, "here").alerts["team"]


# --- once ------------------------------------------------------------------------------------------------------


def test_a_finding_is_told_once_however_long_it_lasts() -> None:
    told = told_after([RUN], {}, NOW)
    for hours in range(1, 72):
        now = NOW + timedelta(hours=hours)
        assert news([RUN], told, now) == []
        told = told_after([RUN], told, now)
    assert news([RUN, LATE], told, now) == [LATE]


def test_one_that_comes_and_goes_is_told_again_only_after_a_day_without_it() -> None:
    told = told_after([RUN], {}, NOW)
    told = told_after([], told, NOW + timedelta(hours=5))
    assert news([RUN], told, NOW + timedelta(hours=24)) == []
    assert news([RUN], told, NOW + timedelta(hours=25)) == [RUN]
    assert told_after([], told, NOW + timedelta(hours=25)) == {}


def test_findings_are_grouped_and_no_more_than_ten_of_a_group_are_named() -> None:
    told = message([RUN, *MANY, LATE], UI)
    assert told.title == "flakehouse: 42 new findings"
    assert [(group.heading, len(group.findings), group.others) for group in told.groups] == [
        ("Failed runs", 1, 0),
        ("New failure reasons", 10, 30),
        ("Late data", 1, 0),
    ]
    assert message([RUN], UI).title == "flakehouse: 1 new finding"


# --- the shapes that are published -------------------------------------------------------------------------------


def test_slack_takes_blocks_within_its_limits_with_its_three_signs_escaped() -> None:
    payload = slack.payload(message([RUN, LATE], UI))
    assert payload["text"] == "flakehouse: 2 new findings"
    header, runs, late, context = payload["blocks"]
    assert header == {"type": "header", "text": {"type": "plain_text", "text": payload["text"]}}
    assert runs == {
        "type": "section",
        "text": {
            "type": "mrkdwn",
            "text": f"*Failed runs*\n• acme: &lt;503&gt; &amp; *stars* [brackets] <{UI}/runs/1|look>",
        },
    }
    assert late["text"]["text"] == "*Late data*\n• beta: nothing is known after noon"
    assert context["elements"] == [{"type": "mrkdwn", "text": f"<{UI}|Open flakehouse>"}]


@pytest.mark.parametrize("groups", [1, 5, 60])
def test_slack_gets_no_more_than_it_takes(groups: int) -> None:
    findings = [Finding(f"{n}", f"group {n % groups}", "<&>" * 1000, UI) for n in range(300)]
    blocks = slack.payload(message(findings, UI))["blocks"]
    assert len(blocks) <= 50
    texts = [block["text"]["text"] for block in blocks if "text" in block]
    assert len(texts[0]) <= 150
    assert all(0 < len(text) <= 3000 for text in texts)
    assert len(json.dumps(blocks, ensure_ascii=False)) < 20_000
    assert sum(map(len, texts)) <= 12_200
    assert all(text.count("<http") == text.count("|look>") for text in texts)
    assert sum(text.count("|look>") + left_out(text) for text in texts) == 300


def left_out(text: str) -> int:
    return sum(int(number) for number in re.findall(r"(?m)^and (\d+) more", text))


def test_teams_takes_an_adaptive_card_in_an_envelope_with_its_signs_escaped() -> None:
    payload = teams.payload(message([RUN, LATE], UI))
    assert (payload["type"], len(payload["attachments"])) == ("message", 1)
    attachment = payload["attachments"][0]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["contentUrl"] is None
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["$schema"] == "http://adaptivecards.io/schemas/adaptive-card.json"
    assert {block["type"] for block in card["body"]} == {"TextBlock"}
    assert [block["text"] for block in card["body"]] == [
        "flakehouse: 2 new findings",
        "Failed runs",
        f"acme: <503> & \\*stars\\* \\[brackets\\] [look]({UI}/runs/1)",
        "Late data",
        "beta: nothing is known after noon",
    ]
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open flakehouse", "url": UI}]


def test_teams_gets_no_more_than_28_kilobytes() -> None:
    findings = [Finding(f"{n}", f"group {n % 40}", "ü" * 1000, UI) for n in range(400)]
    payload = teams.payload(message(findings, UI))
    assert len(json.dumps(payload).encode()) < 28_000
    texts = [block["text"] for block in payload["attachments"][0]["content"]["body"]]
    assert sum(text.count("[look](") + left_out(text) for text in texts) == 400


@pytest.mark.parametrize("groups", [1, 40, 900])
def test_a_mail_and_a_plain_webhook_count_what_they_do_not_name(groups: int) -> None:
    findings = [Finding(f"{n}", f"group {n % groups}", "text", UI) for n in range(900)]
    told = message(findings, UI)
    mailed = mail.rendered(told, "me", ["you"], NOW).get_content()
    assert mailed.count("- text") + left_out(mailed) == 900
    posted = webhook_payload(told)["groups"]
    assert sum(len(group["findings"]) + group["others"] for group in posted) == 900


def test_a_group_that_is_too_long_is_cut_and_the_others_are_not() -> None:
    long = [Finding(f"long/{n}", "Long", "&" * 1000, UI) for n in range(10)]
    blocks = slack.payload(message([*long, RUN, LATE], UI))["blocks"]
    assert [block["text"]["text"].partition("\n")[0] for block in blocks[1:-1]] == [
        "*Long*",
        "*Failed runs*",
        "*Late data*",
    ]
    assert [left_out(block["text"]["text"]) for block in blocks[1:-1]] == [8, 0, 0]


# --- delivered to real receivers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["slack", "teams", "webhook"])
def test_each_kind_of_webhook_is_told_in_one_post(kind: str) -> None:
    told = message([RUN, LATE], UI)
    with webhook(status=202 if kind == "teams" else 200) as receiver:
        deliver(alert(kind, receiver.url), told, NOW)
    assert receiver.posts == [sending._RENDERERS[kind](told)]


def test_a_plain_webhook_is_told_every_finding_with_key_text_and_link() -> None:
    with webhook() as receiver:
        deliver(alert("webhook", receiver.url), message([RUN, LATE], UI), NOW)
    (post,) = receiver.posts
    assert post["groups"][0] == {
        "heading": "Failed runs",
        "findings": [{"key": RUN.key, "text": RUN.text, "link": RUN.link}],
        "others": 0,
    }


def test_a_mail_reaches_every_recipient_with_links() -> None:
    people = ["one@example.com", "two@example.com"]
    with mail_server() as receiver:
        where = alert("email", receiver.smtp, sender="lab@example.com", recipients=people)
        deliver(where, message([RUN, LATE], UI), NOW)
    (mail,) = receiver.mails
    assert receiver.envelopes == [["lab@example.com", *people]]
    assert mail["Subject"] == "flakehouse: 2 new findings"
    assert mail["Date"] == "Wed, 11 Mar 2026 12:00:00 +0000"
    body = mail.get_content()
    for part in ("Failed runs", RUN.text, RUN.link, LATE.text, UI):
        assert part in body


def test_a_header_cannot_be_smuggled_into_a_mail() -> None:
    with mail_server() as receiver:
        where = alert("email", receiver.smtp, recipients=["one@example.com"])
        deliver(where, message([Finding("k", "g", "text\r\n.\r\nBcc: all@example.com")], UI), NOW)
    (mail,) = receiver.mails
    assert mail["Bcc"] is None
    assert receiver.envelopes[0][1:] == ["one@example.com"]


@pytest.mark.parametrize("status", [400, 404, 500])
def test_what_a_receiver_refuses_is_named_without_the_address(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with webhook(status) as receiver, pytest.raises(DeliveryError) as refusal:
        deliver(alert("slack", receiver.url), message([RUN], UI), NOW)
    assert str(refusal.value) == f"alerts.team: HTTP {status}; check its url and what it accepts"
    logged = "".join(record.getMessage() for record in caplog.records if record.name.startswith("httpx"))
    assert "a-secret-part" not in logged


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("slack", "http://127.0.0.1:9/a-secret-part"),
        ("slack", "a-secret-part"),
        ("email", "smtp://me:a-secret-part@127.0.0.1:9"),
    ],
)
def test_a_receiver_that_cannot_be_reached_is_named_without_its_secret(kind: str, url: str) -> None:
    keys = {"recipients": ["one@example.com"]} if kind == "email" else {}
    with pytest.raises(DeliveryError, match=r"alerts\.team: \w+; check its url") as refusal:
        deliver(alert(kind, url, **keys), message([RUN], UI), NOW)
    assert "a-secret-part" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_password_is_sent_to_no_other_machine_without_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server() as receiver:
        monkeypatch.setattr("pipelines.lib.alerts.mail._LOOPBACK", set())
        url = f"smtp://me:word@127.0.0.1:{receiver.port}"
        with pytest.raises(DeliveryError, match="SMTPNotSupportedError"):
            deliver(alert("email", url, recipients=["one@example.com"]), message([RUN], UI), NOW)
    assert receiver.mails == []


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"kind": "email", "url": "https://x"}, "url: an e-mail's is smtp://"),
        ({"kind": "email", "url": "smtp://secret@x"}, "recipients: an e-mail needs at least one"),
        ({"kind": "slack", "url": ""}, "url: "),
    ],
)
def test_an_alert_that_cannot_work_is_refused_with_its_place(keys: dict, said: str) -> None:
    with pytest.raises(SettingsError, match=r"here: \[alerts\.team\]: ") as refusal:
        parse_connections({"alerts": {"team": keys}}, {}, "here")
    assert said in str(refusal.value)
    assert "secret" not in str(refusal.value)
