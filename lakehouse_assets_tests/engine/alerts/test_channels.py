"""What each kind of channel is sent, that no value in it is obeyed, and that no secret is shown."""

from __future__ import annotations

import json
import socket
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from lakehouse_assets.engine.alerts.channels import Channel, channel
from lakehouse_assets.engine.alerts.messages import Notice
from lakehouse_assets.engine.alerts.send import send
from lakehouse_assets.engine.errors import NotSent, SettingsError
from lakehouse_assets_tests.engine.alerts.flights import KEY, Flights, told
from lakehouse_assets_tests.servers import smtp
from lakehouse_assets_tests.servers.smtp import PASSWORD, USER, Post
from lakehouse_assets_tests.servers.web import Answer, Site, talking

SECRET = "T0KEN/b0dy"
SINCE = datetime(2026, 11, 28, 11, 20, tzinfo=UTC)
HOSTILE = "<!channel> <https://evil.example|click> *bold* [x](https://evil.example) <img src=x> {{DATE(1)}} & @all"
INJECTED = "late\r\nBcc: everyone@example.com\r\n\r\nall is well\u202e\x1b[31m"


def notice(text: str = "SK1 is late", key: str = '{"flight": "SK1"}') -> Notice:
    return Notice("0a1b", "opened", KEY, "late", key, SINCE, text)


def told_to(monkeypatch: pytest.MonkeyPatch, value: str) -> Channel:
    monkeypatch.setenv("LAKEHOUSE_NOTIFY_OPS", value)
    return channel("ops")


@pytest.mark.parametrize(
    ("value", "kind", "url"),
    [
        ("https://hooks.slack.com/services/T/B/x", "slack", "https://hooks.slack.com/services/T/B/x"),
        ("https://acme.webhook.office.com/webhookb2/x", "teams", "https://acme.webhook.office.com/webhookb2/x"),
        ("https://prod-1.westeurope.logic.azure.com:443/workflows/x?sig=y", "teams", None),
        ("https://x.y.environment.api.powerplatform.com/powerautomate/x?sig=y", "teams", None),
        ("https://hooks.slack.com.evil.example/x", "webhook", None),
        ("http://127.0.0.1:8080/x", "webhook", None),
        ("slack+https://proxy.example/x", "slack", "https://proxy.example/x"),
        ("teams+http://127.0.0.1:8080/x", "teams", "http://127.0.0.1:8080/x"),
        (" ", "log", ""),
    ],
)
def test_an_address_says_what_it_is(monkeypatch: pytest.MonkeyPatch, value: str, kind: str, url: str | None) -> None:
    found = told_to(monkeypatch, value)
    assert (found.kind, found.url) == (kind, value if url is None else url)


@pytest.mark.parametrize(
    "value",
    [
        SECRET, f"ftp://host/{SECRET}", f"https:///{SECRET}", f"https://host:port/{SECRET}", f"mail+https://h/{SECRET}",
        f"https://host/{SECRET}\nx", f"smtp://bob:{SECRET}@host", f"smtp://bob:{SECRET}@host?to=a@b.c",
        f"smtp://bob:{SECRET}@host?from=a@b.c&to=a@b.c%0d%0aBcc:x@y.z", f"slack+smtp://bob:{SECRET}@host?to=a@b.c",
        f"smtp://host?from=a@b.c&to={SECRET}", f"https://[{SECRET}",
    ],
)  # fmt: skip
def test_what_is_no_address_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    with pytest.raises(SettingsError, match="Reading LAKEHOUSE_NOTIFY_OPS: it's neither") as raised:
        told_to(monkeypatch, value)
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def texts(value: Any) -> list[str]:
    """All texts in a JSON value."""
    match value:
        case dict():
            return [text for it in value.values() for text in texts(it)]
        case list():
            return [text for it in value for text in texts(it)]
    return [value] if isinstance(value, str) else []


def sent(monkeypatch: pytest.MonkeyPatch, hook: Site, kind: str, what: Notice) -> dict[str, Any]:
    """What a webhook of a kind gets of a notice."""
    send(what, told_to(monkeypatch, f"{kind}{hook.url}/s3cret"))
    assert hook.asked[-1][1]["Content-Type"] == "application/json"
    body: dict[str, Any] = json.loads(hook.sent[-1])
    return body


def test_slack_gets_blocks_of_plain_text_and_reads_no_markup_in_values(
    monkeypatch: pytest.MonkeyPatch, hook: Site
) -> None:
    body = sent(monkeypatch, hook, "slack+", notice(HOSTILE))
    first, second = (block["text"] for block in body["blocks"])
    assert first == {"type": "plain_text", "text": f"Alert: {HOSTILE}", "emoji": False}
    assert second["type"] == "plain_text"
    assert second["text"].splitlines() == [
        f'About: {KEY} {{"flight": "SK1"}}', "Alert: late", "Since: 2026-11-28 11:20:00 UTC", "Episode: 0a1b",
    ]  # fmt: skip
    assert not {"<", ">"} & set(body["text"])
    assert (body["mrkdwn"], body["unfurl_links"], body["unfurl_media"]) == (False, False, False)


def test_teams_gets_a_card_of_text_runs_which_have_no_markdown(monkeypatch: pytest.MonkeyPatch, hook: Site) -> None:
    body = sent(monkeypatch, hook, "teams+", notice(HOSTILE))
    (attachment,) = body["attachments"]
    assert (body["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    runs = [run for block in card["body"] for run in block["inlines"]]
    assert {run["type"] for run in runs} == {"TextRun"}
    assert [run["text"] for run in runs][::4] == [f"Alert: {HOSTILE}", "Episode: 0a1b"]


@pytest.mark.parametrize("kind", ["", "slack+", "teams+"])
def test_a_webhook_gets_no_more_of_a_text_than_it_takes_and_nothing_that_cannot_be_seen(
    monkeypatch: pytest.MonkeyPatch, hook: Site, kind: str
) -> None:
    body = sent(monkeypatch, hook, kind, notice(INJECTED + "x" * 100_000, json.dumps({"flight": INJECTED * 9_000})))
    shown = [text for text in texts({**body, "key": ""}) if "late" in text]
    assert shown
    assert not {"\r", "\u202e", "\x1b"} & set("".join(shown))
    assert max(map(len, shown)) < 2_300


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(SECRET.encode(), 404), "it answered 404 Not Found"),
        (Answer(SECRET.encode(), 429, {"Retry-After": "60"}), "it answered 429 Too Many Requests"),
        (Answer(SECRET.encode(), 500), "it answered 500 Internal Server Error"),
        (Answer(b"", 302, {"Location": "/other"}), "it answered 302 Found"),
        (Answer(b"Webhook message delivery failed with error: HTTP error 429"), "it answered that Teams didn't"),
    ],
)
def test_what_a_webhook_does_not_take_is_an_error_without_its_address(
    monkeypatch: pytest.MonkeyPatch, hook: Site, answer: Answer, why: str
) -> None:
    hook.pages |= {f"/{SECRET}": answer, "/other": Answer(b"ok")}
    to = told_to(monkeypatch, f"teams+{hook.url.replace('//', '//bob:pass@')}/{SECRET}")
    with pytest.raises(NotSent, match=r"^Telling ops \(LAKEHOUSE_NOTIFY_OPS, 127.0.0.1\): ") as raised:
        send(notice(), to)
    assert why in str(raised.value)
    shown = f"{''.join(traceback.format_exception(raised.value))} {to} {to!r} {to.where}"
    assert not [secret for secret in (SECRET, "pass@", hook.url) if secret in shown]
    assert "/other" not in [path for path, _ in hook.asked]


def test_a_server_that_is_away_is_an_error_without_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for to in (f"http://bob:{PASSWORD.split()[0]}@127.0.0.1:1/{SECRET}", "smtp://127.0.0.1:1?from=a@b.c&to=a@b.c"):
        with pytest.raises(NotSent, match=r"127\.0\.0\.1") as raised:
            send(notice(), told_to(monkeypatch, to))
        shown = "".join(traceback.format_exception(raised.value))
        assert not [secret for secret in (SECRET, PASSWORD.split()[0]) if secret in shown]


def say_nothing(connection: socket.socket) -> None:
    """Until whoever asked is gone."""
    while connection.recv(65_536):
        pass


def test_a_server_that_says_nothing_is_given_up_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse_assets.engine.alerts.send.SECONDS", 0.3)
    with talking(say_nothing) as url:
        mail = url.replace("http://", f"smtp://bob:{quote(SECRET, safe='')}@") + "?from=a@b.c&to=a@b.c"
        for to in (f"{url}/{SECRET}", mail):
            with pytest.raises(NotSent) as raised:
                send(notice(), told_to(monkeypatch, to))
            assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.fixture
def post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    with smtp.serving(tmp_path) as it:
        monkeypatch.setenv("SSL_CERT_FILE", str(it.trusted))
        yield it


def address(post: Post, password: str = PASSWORD, scheme: str = "smtp") -> str:
    user = f"{USER}:{quote(password, safe='')}"
    return f"{scheme}://{user}@127.0.0.1:{post.port}?from=lake@acme.com&to=ann@x.com,bo@y.com"


def test_mail_goes_to_all_by_an_encrypted_connection_under_the_id_of_the_episode(
    monkeypatch: pytest.MonkeyPatch, post: Post
) -> None:
    to = told_to(monkeypatch, address(post))
    for _ in range(2):
        send(notice(), to)
    first, again = post.mails
    assert first["Message-ID"] == again["Message-ID"] == "<0a1b.opened@acme.com>"
    assert (first["From"], first["To"]) == ("lake@acme.com", "ann@x.com, bo@y.com")
    assert first["Subject"] == "Alert: SK1 is late"
    assert 'About: air.gold.board {"flight": "SK1"}' in first.get_content().splitlines()
    assert {line.split()[0].upper() for how, line in post.told if how == "plain"} == {"EHLO", "STARTTLS"}
    listed = [line.upper() for _, line in post.told if line.upper().startswith("RCPT")]
    assert listed == ["RCPT TO:<ANN@X.COM>", "RCPT TO:<BO@Y.COM>"] * 2


def test_mail_may_be_encrypted_from_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with smtp.serving(tmp_path, encrypted=True) as post:
        monkeypatch.setenv("SSL_CERT_FILE", str(post.trusted))
        send(notice(), told_to(monkeypatch, address(post, scheme="smtps")))
        assert len(post.mails) == 1


def test_no_value_begins_a_header_of_a_mail(monkeypatch: pytest.MonkeyPatch, post: Post) -> None:
    send(notice(INJECTED, json.dumps({"flight": INJECTED})), told_to(monkeypatch, address(post)))
    (mail,) = post.mails
    assert mail["Bcc"] is None
    assert mail["Subject"].strip() == r"Alert: late\r\nBcc: everyone@example.com\r\n\r\nall is well\u202e\x1b[31m"
    assert not [line for _, line in post.told if "everyone" in line and line.upper().startswith("RCPT")]


@pytest.mark.parametrize("fault", ["password", "no encryption", "untrusted", "refused"])
def test_what_a_mail_server_does_not_take_is_an_error_without_the_password(
    monkeypatch: pytest.MonkeyPatch, post: Post, fault: str
) -> None:
    to = told_to(monkeypatch, address(post, SECRET if fault == "password" else PASSWORD))
    if fault == "no encryption":
        post.offers = ()
    if fault == "untrusted":
        monkeypatch.delenv("SSL_CERT_FILE")
    if fault == "refused":
        post.answer = f"554 no {SECRET}"
    with pytest.raises(NotSent, match=r"^Telling ops \(LAKEHOUSE_NOTIFY_OPS, 127.0.0.1\): it ") as raised:
        send(notice(), to)
    shown = f"{''.join(traceback.format_exception(raised.value))} {to} {to!r}"
    assert not [secret for secret in (SECRET, PASSWORD, quote(PASSWORD)) if secret in shown]
    assert post.mails == []
    assert not [line for how, line in post.told if how == "plain" and line.startswith("AUTH")]


def test_the_outbox_has_no_address_of_a_channel(flights: Flights, hook: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_NOTIFY_OPS", f"{hook.url}/s3cret?{SECRET}")
    flights.write({"SK1": 70})
    found = flights.tell()
    assert len(told(hook)) == 1
    kept = b"".join(path.read_bytes() for path in Path(flights.root).rglob("*") if path.is_file())
    assert SECRET not in f"{found}"
    assert SECRET.encode() not in kept
