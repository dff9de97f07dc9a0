"""Notifications of arrivals: events of Event Grid in a Storage Queue, taken down in the ledgers of the tables.

An event is deleted from the queue once the ledger has it, so a process may end at any point: what is delivered again is
known by its path and etag. What was never delivered is found by the listing that the sensor makes once an hour.

What is wrong with one message, or with the ledger of one table, keeps no other from being taken down. Of a message that
can't be read the events that can be are taken down, and the whole of it is set aside at its fifth delivery.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.lake.stores import errors_in_reaching, plain, reaching, refusals
from lakehouse_assets.engine.sources.arrivals.blob_events import CREATED as CREATED
from lakehouse_assets.engine.sources.arrivals.blob_events import Told, read_message
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, covers
from lakehouse_assets.engine.spec.table import Table

DELIVERIES = 5
PAGE = 32  # the most messages that a Storage Queue gives at once
VISIBILITY_SECONDS = 120
SECONDS = 20.0
# The message is gone, or was given to another process since we got it.
_NOT_OURS = (400, 404)


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
    """How many files were announced, told once more or of no table, and how many messages were set aside.

    `failed` says what couldn't be done, and what to do about it. The messages that it concerns stay in the queue.
    """

    announced: int = 0
    ignored: int = 0
    poisoned: int = 0
    failed: tuple[str, ...] = ()

    def __add__(self, other: Drained) -> Drained:
        return Drained(
            self.announced + other.announced,
            self.ignored + other.ignored,
            self.poisoned + other.poisoned,
            tuple(dict.fromkeys(self.failed + other.failed)),
        )


def drain(queues: Queues, tables: Sequence[Table], lake: Lake, seconds: float = SECONDS) -> Drained:
    """Take down the events that wait, for a while; a message that can't be read is set aside at its fifth delivery.

    Raises:
        SourceError: the queue can't be reached.
    """
    with reaching("Taking down the notifications of what arrives in", lake.landing):
        return _drain(queues, tables, lake, time.monotonic() + seconds)


def _drain(queues: Queues, tables: Sequence[Table], lake: Lake, deadline: float) -> Drained:
    found = Drained()
    while time.monotonic() < deadline:
        held = _Held(queues.events, lake.landing)
        if not held.messages:
            break
        announced, missed, failed = _announce(tables, lake, held, deadline)
        settled = [m for m in held.messages if missed.isdisjoint(m.told.files)]
        poisoned, refused = _settle(settled, queues)
        events = sum(m.told.events for m in settled)
        ignored = max(0, events - announced)  # several tables may read one file
        found += Drained(announced, ignored, poisoned, (*failed, *refused))
    return found


@dataclass(frozen=True)
class _Message:
    """A message as the queue gave it, and what it tells of."""

    given: Any
    told: Told


class _Held:
    """A page of messages, which nobody else is given while they're worked on."""

    def __init__(self, queue: Queue, landing: str) -> None:
        self.queue, self.since = queue, time.monotonic()
        asked = queue.receive_messages(messages_per_page=PAGE, visibility_timeout=VISIBILITY_SECONDS, max_messages=PAGE)
        self.messages = [_Message(given, read_message(given.content, landing)) for given in asked]

    def keep(self) -> None:
        """Hold them for as long again, once half of the time is over."""
        if time.monotonic() - self.since > VISIBILITY_SECONDS / 2:
            self.since = time.monotonic()
            self.messages = [kept for message in self.messages if (kept := self._kept(message))]

    def _kept(self, message: _Message) -> _Message | None:
        try:
            given = self.queue.update_message(message.given, visibility_timeout=VISIBILITY_SECONDS)
        except refusals() as error:
            if _status(error) not in _NOT_OURS:
                raise
            return None
        return _Message(given, message.told)


def _announce(tables: Sequence[Table], lake: Lake, held: _Held, deadline: float) -> tuple[int, set[Arrival], list[str]]:
    """Put the files into the ledgers of the tables that read them.

    Returns how many weren't known there, the files that some ledger couldn't be told of, and why.
    """
    files = [file for message in held.messages for file in message.told.files]
    number, missed, failed = 0, set[Arrival](), list[str]()
    for table in tables:
        landing = lake.landing_folder(table.domain)
        mine = [f for f in files if table.source and covers(table.source, landing, f.path)]
        if mine and failed and time.monotonic() > deadline:  # a store that is away is waited for, by each ledger
            missed.update(mine)
        elif mine:
            try:
                number += Ledger(lake.arrivals(table.key), lake.storage).announce(mine)
            except LakehouseError as error:
                missed.update(mine)
                failed.append(f"{table.key} isn't told of {len(mine)} files, which stay in the queue: {error}")
            held.keep()
    return number, missed, failed


def _settle(messages: Sequence[_Message], queues: Queues) -> tuple[int, list[str]]:
    """Take messages off the queue, unless they may be readable when they're delivered again.

    Returns how many were set aside, and why others couldn't be.
    """
    refused = [_delete(m.given, queues) for m in messages if m.told.whole]
    poisoned = 0
    for message in messages:
        if message.told.whole or message.given.dequeue_count < DELIVERIES:
            continue
        why = _set_aside(message.given, queues)
        poisoned += not why
        refused.append(why or _delete(message.given, queues))
    return poisoned, [why for why in refused if why]


def _set_aside(given: Any, queues: Queues) -> str:
    """Copy a message to the queue for those that can't be read; why that failed, if it did."""
    try:
        queues.poison.send_message(given.content)
    except errors_in_reaching() as error:
        return (
            f"A message of the queue can't be read, nor be set aside: {plain(error)}. It stays there; see that the "
            "queue of the same name with -poison behind it exists and takes messages, or delete the message by hand"
        )
    return ""


def _delete(given: Any, queues: Queues) -> str:
    """Take a message off the queue; why that was refused, if it was."""
    try:
        queues.events.delete_message(given)
    except refusals() as error:
        status = _status(error)
        if status is None or status >= 500:
            raise
        if status not in _NOT_OURS:
            return (
                f"A message that was taken down can't be deleted: {plain(error)}. It stays in the queue, and comes "
                "again and again; give this identity the right to process messages"
            )
    return ""


def _status(error: Exception) -> int | None:
    """The HTTP status of a service's answer; None if there was no answer."""
    status: int | None = getattr(error, "status_code", None)
    return status
