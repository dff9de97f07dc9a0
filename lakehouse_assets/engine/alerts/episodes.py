"""Which episodes begin and which are over, by what is so now and what was so before."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lakehouse_assets.engine.alerts.outbox import Entry


@dataclass(frozen=True)
class Standing:
    """What is so at a time (UTC) and a version of a table: by the name of an alert and a key (JSON), the text.

    `channels` has the channel of each alert by its name. What is open of any other alert is over.
    """

    channels: Mapping[str, str]
    met: Mapping[tuple[str, str], str]
    at: datetime
    version: int


def changes(known: Sequence[Entry], now: Standing) -> Iterator[Entry]:
    """What happens to the episodes that are open, and which others begin."""
    opened = {(entry.alert, entry.key) for entry in known}
    for entry in known:
        if (entry.alert, entry.key) not in now.met:
            yield replace(entry, state="cleared", at=now.at, version=now.version)
    for (alert, key), text in now.met.items():
        if (alert, key) not in opened:
            channel = now.channels[alert]
            yield Entry(uuid.uuid4().hex, alert, channel, key, "opened", now.at, now.version, now.at, text)
