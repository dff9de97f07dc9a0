"""Notifications of arrivals: events of Event Grid in a Storage Queue, taken down in the ledgers of the tables.

An event is deleted from the queue once the ledger has it, so a process may end at any point: what is delivered again is
known by its path and etag. What was never delivered is found by the listing that the sensor makes once an hour.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from lakehouse_assets.engine.arrivals import Ledger
from lakehouse_assets.engine.lake import Lake
from lakehouse_assets.engine.sources.listing import Arrival, covers
from lakehouse_assets.engine.sources.stores import reaching
from lakehouse_assets.engine.spec import Table

CREATED = "Microsoft.Storage.BlobCreated"
# In a hierarchical namespace a file is created, appended to, and whole when it was closed: another event.
_UNFINISHED = ("CreateFile", "AppendFile", "FlushFile")
DELIVERIES = 5
PAGE = 32  # the most messages that a Storage Queue gives at once
VISIBILITY_SECONDS = 120
SECONDS = 20.0
_SUBJECT = re.compile(r"/blobServices/default/containers/(?P<container>[^/]+)/blobs/(?P<path>.+)", re.DOTALL)


class Queue(Protocol):
    """What we ask of `azure.storage.queue.QueueClient`."""

    def receive_messages(
        self, *, messages_per_page: int, visibility_timeout: int, max_messages: int
    ) -> Iterable[Any]: ...

    def update_message(self, message: Any, *, visibility_timeout: int) -> Any: ...

    def delete_message(self, message: Any) -> None: ...

    def send_message(self, content: str) -> Any: ...


@dataclass(frozen=True)
class Queues:
    """The queue of the events, and the one for messages that can't be read."""

    events: Queue
    poison: Queue


@dataclass(frozen=True)
class Drained:
    """How many files were announced, told once more or of no table, and how many messages were set aside."""

    announced: int = 0
    ignored: int = 0
    poisoned: int = 0


def drain(queues: Queues, tables: Sequence[Table], lake: Lake, seconds: float = SECONDS) -> Drained:
    """Take down the events that wait, for a while; a message that can't be read is set aside at its fifth delivery.

    Raises:
        SourceError: the queue or a ledger can't be reached.
        WriteConflict: other processes kept changing a ledger.
    """
    with reaching("Taking down the notifications of what arrives in", lake.landing):
        return _drain(queues, tables, lake, time.monotonic() + seconds)


def _drain(queues: Queues, tables: Sequence[Table], lake: Lake, deadline: float) -> Drained:
    found = Drained()
    while time.monotonic() < deadline:
        held = _Held(queues.events)
        if not held.messages:
            break
        page = [_events(message.content) for message in held.messages]
        events = [event for read in page for event in read or ()]
        announced = _announce([f for event in events if (f := _arrival(event, lake.landing))], tables, lake, held)
        settled = zip(held.messages, page, strict=True)
        poisoned = sum(_settle(message, queues, readable=read is not None) for message, read in settled)
        ignored = max(0, len(events) - announced)  # several tables may read one file
        found = Drained(found.announced + announced, found.ignored + ignored, found.poisoned + poisoned)
    return found


class _Held:
    """A page of messages, which nobody else is given while they're worked on."""

    def __init__(self, queue: Queue) -> None:
        self.queue, self.since = queue, time.monotonic()
        asked = queue.receive_messages(messages_per_page=PAGE, visibility_timeout=VISIBILITY_SECONDS, max_messages=PAGE)
        self.messages = list(asked)

    def keep(self) -> None:
        """Hold them for as long again, once half of the time is over."""
        if time.monotonic() - self.since > VISIBILITY_SECONDS / 2:
            self.since = time.monotonic()
            self.messages = [
                self.queue.update_message(message, visibility_timeout=VISIBILITY_SECONDS) for message in self.messages
            ]


def _announce(files: Sequence[Arrival], tables: Sequence[Table], lake: Lake, held: _Held) -> int:
    """Put the files into the ledgers of the tables that read them; how many weren't known there."""
    number = 0
    for table in tables:
        landing = lake.landing_folder(table.domain)
        mine = [f for f in files if table.source and covers(table.source, landing, f.path)]
        if mine:
            number += Ledger(lake.arrivals(table.key), lake.storage).announce(mine)
            held.keep()
    return number


def _settle(message: Any, queues: Queues, *, readable: bool) -> bool:
    """Take a message off the queue, unless it may be readable when it's delivered again; whether it was set aside."""
    if not readable and message.dequeue_count < DELIVERIES:
        return False
    if not readable:
        queues.poison.send_message(message.content)
    queues.events.delete_message(message)
    return not readable


def _events(content: str) -> list[Mapping[str, Any]] | None:
    """The events of a message, in the schema of Event Grid or of CloudEvents; None if there's no reading it."""
    for text in _decoded(content):
        try:
            found = json.loads(text)
        except ValueError:
            continue
        events = found if isinstance(found, list) else [found]
        return events if all(isinstance(e, dict) and {"eventType", "type"} & e.keys() for e in events) else None
    return None


def _decoded(content: str) -> Iterator[str]:
    yield content
    try:
        yield base64.b64decode(content, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return


def _arrival(event: Mapping[str, Any], landing: str) -> Arrival | None:
    """The file that an event tells of, if it's a whole one in the container of the landing folders."""
    data, where = event.get("data") or {}, _SUBJECT.fullmatch(str(event.get("subject", "")))
    home = re.match(r"(?P<scheme>abfss?)://(?P<container>[^@]+)@[^/]+", landing)
    if event.get("eventType", event.get("type")) != CREATED or not where or not home or data.get("api") in _UNFINISHED:
        return None
    at, etag = event.get("eventTime") or event.get("time"), data.get("eTag")
    if where["container"] != home["container"] or not etag or not at:
        return None
    modified = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", at))
    return Arrival(f"{home[0]}/{where['path']}", str(etag).strip('"'), int(data.get("contentLength") or 0), modified)
