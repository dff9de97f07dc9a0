"""Events of a time gone by, in the order in which they would be sent now: for the simulations of domains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from random import Random

from lakehouse_assets.engine.errors import LakehouseError

# Of messages out of order: how late one comes at most, and how many come twice.
LATEST, SHARE_TWICE = timedelta(minutes=2), 0.05


class NotReplayable(LakehouseError):
    """What should be replayed isn't there, or can't be read."""


@dataclass(frozen=True)
class Event:
    """What happened when, as a message of a topic: its value is sent as JSON, and those of one key stay in order."""

    at: datetime
    topic: str
    key: str
    value: Mapping[str, object]


# An event, and when it's sent.
Timed = tuple[datetime, Event]


def by_time(stories: Iterable[Iterator[Event]]) -> Iterator[Event]:
    """The events of many stories in one order, each told only once its time has come.

    Each story is in order, and so are the stories by their first events.
    """
    waiting: list[tuple[datetime, int, Event, Iterator[Event]]] = []

    def told(until: datetime | None) -> Iterator[Event]:
        while waiting and (until is None or waiting[0][0] < until):
            _, number, event, story = heappop(waiting)
            yield event
            wait(number, story)

    def wait(number: int, story: Iterator[Event]) -> Event | None:
        event = next(story, None)
        if event:
            heappush(waiting, (event.at, number, event, story))
        return event

    for number, story in enumerate(stories):
        if first := wait(number, story):
            yield from told(first.at)
    yield from told(None)


def sent_in_order(events: Iterable[Event]) -> Iterator[Timed]:
    """Each event with when it's sent: at its time."""
    return ((event.at, event) for event in events)


def sent_in_disorder(events: Iterable[Event], seed: int) -> Iterator[Timed]:
    """Each event with when it's sent: up to `LATEST` after its time, and some of them twice. A seed always gives the
    same.
    """
    chance, waiting = Random(seed), list[tuple[datetime, int, Event]]()  # noqa: S311 - no secret
    numbers = iter(range(2**63))
    for event in events:
        while waiting and waiting[0][0] < event.at:
            yield _due(waiting)
        for _ in range(1 + (chance.random() < SHARE_TWICE)):
            heappush(waiting, (event.at + LATEST * chance.random(), next(numbers), event))
    while waiting:
        yield _due(waiting)


def _due(waiting: list[tuple[datetime, int, Event]]) -> Timed:
    at, _, event = heappop(waiting)
    return at, event
