"""Sends what waits in an outbox, and notes there what was sent: each message at least once, under its episode's id.

A process that ends between a message and its note sends it again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from lakehouse_assets.engine.alerts.channels import Channel, channel
from lakehouse_assets.engine.alerts.messages import Notice
from lakehouse_assets.engine.alerts.outbox import Entry, Outbox
from lakehouse_assets.engine.alerts.send import send
from lakehouse_assets.engine.errors import NotSent, SettingsError

# What one run sends at most, and for how long at most; the next one goes on.
MOST, LONGEST_SECONDS = 100, 15.0
# A channel that failed is let be for so long by this process, as each try may take seconds.
PAUSE_SECONDS = 30.0
SHOWN = 20
_failed_at: dict[Channel, float] = {}


@dataclass(frozen=True)
class Episode:
    """An episode that isn't over: the alert, the key (JSON), since when (UTC, ISO), and the text."""

    id: str
    alert: str
    key: str
    since: str
    text: str


@dataclass(frozen=True)
class Told:
    """How alerts stand: how many episodes are open, and a few of them; how many messages wait, and why; how many were
    sent now, of which those for the log are in `logged`.
    """

    open: int = 0
    episodes: tuple[Episode, ...] = ()
    waiting: int = 0
    problems: tuple[str, ...] = ()
    sent: int = 0
    logged: tuple[str, ...] = ()


def deliver(outbox: Outbox, about: str) -> Told:
    """Send what waits in the outbox of a table, by its key, or of a domain. A channel that is down keeps its messages
    waiting, and no others.
    """
    found, sending = outbox.unfinished(), _Sending(outbox, about)
    for entry in found.waiting:
        if sending.sent == MOST or time.monotonic() > sending.until:
            break
        sending.attempt(entry)
    few = tuple(Episode(it.episode, it.alert, it.key, it.since.isoformat(), it.text) for it in found.open[:SHOWN])
    problems, waits = tuple(sending.problems.values()), len(found.waiting) - sending.sent
    return Told(len(found.open), few, waits, problems, sending.sent, tuple(sending.logged))


def notice_of(entry: Entry, about: str) -> Notice:
    """What people are told of what happened to an episode."""
    return Notice(entry.episode, entry.state, about, entry.alert, entry.key, entry.since, entry.text)


@dataclass
class _Sending:
    """What one run sends of an outbox: how much so far, and by channel why not."""

    outbox: Outbox
    about: str
    until: float = field(default_factory=lambda: time.monotonic() + LONGEST_SECONDS)
    sent: int = 0
    logged: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    def attempt(self, entry: Entry) -> None:
        try:
            self._send(entry, channel(entry.channel))
        except (NotSent, SettingsError) as error:
            self.problems[entry.channel] = str(error)

    def _send(self, entry: Entry, to: Channel) -> None:
        """Send a message, and note that it's sent.

        Raises:
            NotSent: the channel didn't take it, or failed a moment ago.
        """
        notice = notice_of(entry, self.about)
        if time.monotonic() - _failed_at.get(to, -PAUSE_SECONDS) < PAUSE_SECONDS:
            raise NotSent(self.problems.get(to.name) or f"Telling {to.where}: it failed a moment ago; it's tried later")
        try:
            send(notice, to)
        except NotSent as error:
            if error.down:
                _failed_at[to] = time.monotonic()
            raise
        self.outbox.add([replace(entry, state="sent", sent=entry.state, at=datetime.now(UTC), via=to.kind)], {})
        self.sent += 1
        self.logged += [notice.line] * (to.kind == "log")
