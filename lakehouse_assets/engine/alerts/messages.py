"""What each kind of channel is sent: text that came with data is shown as it is, and never obeyed as markup."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from lakehouse_assets.engine.alerts.channels import Channel, Mail
from lakehouse_assets.engine.printable import printable

LONGEST = 1_000  # characters of a text: Teams takes 28 KB in all, Slack 3,000 characters in a part
_WORDS = {"opened": "Alert", "cleared": "Over", "test": "Test"}
_CARD = "application/vnd.microsoft.card.adaptive"


@dataclass(frozen=True)
class Notice:
    """What people are told: of what (a table by its key, or a domain), by which alert, of which key of it (JSON), since
    when (UTC), in which words; and of which episode that is.
    """

    episode: str
    state: str
    about: str
    alert: str
    key: str
    since: datetime
    text: str

    @property
    def title(self) -> str:
        """One line that says it."""
        return f"{_WORDS[self.state]}: {_cut(self.text)}"

    @property
    def facts(self) -> dict[str, str]:
        """What else there is to say, by what it is."""
        since = f"{self.since:%Y-%m-%d %H:%M:%S} UTC"
        told = {"About": f"{self.about} {self.key}".strip(), "Alert": self.alert, "Since": since}
        return {name: _cut(value) for name, value in {**told, "Episode": self.episode}.items()}

    @property
    def line(self) -> str:
        """All of it in a line, for a log."""
        return "; ".join([self.title, *(f"{name.lower()} {value}" for name, value in self.facts.items())])


def payload(notice: Notice, channel: Channel) -> dict[str, Any]:
    """The JSON that a webhook is sent."""
    match channel.kind:
        case "slack":
            return _slack(notice)
        case "teams":
            return _teams(notice)
    told = {"episode": notice.episode, "state": notice.state, "about": notice.about, "alert": notice.alert}
    key = json.loads(notice.key) if notice.key else {}
    return {**told, "key": key, "since": notice.since.isoformat(), "text": _cut(notice.text)}


def mail(notice: Notice, by: Mail) -> EmailMessage:
    """The mail of a notice; the same each time that it's sent, so that a mail program shows it once."""
    message = EmailMessage()
    message["From"], message["To"] = by.sender, ", ".join(by.to)
    message["Subject"] = notice.title
    message["Date"] = format_datetime(notice.since)
    message["Message-ID"] = f"<{notice.episode}.{notice.state}@{by.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join([notice.title, "", *(f"{name}: {value}" for name, value in notice.facts.items())]))
    return message


def _slack(notice: Notice) -> dict[str, Any]:
    """Blocks of plain text, in which Slack reads no markup; `text` is for what shows no blocks, such as a telephone."""
    facts = "\n".join(f"{name}: {value}" for name, value in notice.facts.items())
    parts = ({"type": "plain_text", "text": text, "emoji": False} for text in (notice.title, facts))
    return {
        # https://docs.slack.dev/messaging/formatting-message-text#escaping
        "text": notice.title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
        "mrkdwn": False, "unfurl_links": False, "unfurl_media": False,
        "blocks": [{"type": "section", "text": part} for part in parts],
    }  # fmt: skip


def _teams(notice: Notice) -> dict[str, Any]:
    """An Adaptive Card of text runs: unlike blocks of text and facts, they have no Markdown."""
    lines = [notice.title, *(f"{name}: {value}" for name, value in notice.facts.items())]
    runs = [{"type": "TextRun", "text": text} for text in lines]
    runs[0]["weight"] = "Bolder"
    body = [{"type": "RichTextBlock", "inlines": [run]} for run in runs]
    schema = {"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4"}
    card = {"contentType": _CARD, "contentUrl": None, "content": {**schema, "body": body}}
    return {"type": "message", "attachments": [card]}


def _cut(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
