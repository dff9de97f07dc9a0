"""For tests of tables that change by events: random deliveries, and what should come of them by plain sorting.

Nothing here uses Spark or the engine, so that it can be held against them. An event is a dict of columns, with None
for null, and `deleted` says which events delete their key. `deliveries` takes events that are there, `arrivals` is for
Hypothesis, which makes them up and looks for the fewest that fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Event = Mapping[str, Any]
Key = tuple[Any, ...]
# What a table compares before its other columns, wherever it stands in `newest`.
_POSITION = "_position"
# The names of the columns that an event doesn't tell; an event may be without it.
_UNAVAILABLE = "_unavailable"


@dataclass(frozen=True)
class Expected:
    """A table as it should be: its declaration's `on` and `newest`, its other columns in order, and what deletes."""

    on: Sequence[str]
    newest: Sequence[str]
    others: Sequence[str]
    deleted: Callable[[Event], bool] = lambda _: False

    def merged(self, events: Iterable[Event]) -> dict[Key, Event]:
        """Key → row of a table written by `merge`."""
        found: dict[Key, Event] = {}
        for event in sorted(events, key=self._place):
            found[self._key(event)] = self._told(event, found.get(self._key(event)))
        return {key: event for key, event in found.items() if not self.deleted(event)}

    def versions(self, events: Iterable[Event], track: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The rows of a table written by `history`, by key and time."""
        keys: dict[Key, list[Event]] = {}
        for event in sorted(events, key=self._place):
            before = keys.setdefault(self._key(event), [])
            before.append(self._told(event, before[-1] if before else None))
        tracked = track or self.others
        return [row for key in sorted(keys, key=_sortable) for row in self._history(keys[key], tracked)]

    def _history(self, events: Sequence[Event], tracked: Sequence[str]) -> list[dict[str, Any]]:
        rows, is_open = list[dict[str, Any]](), False
        for at, event in self._timed(events).items():
            if self.deleted(event) or (is_open and any(rows[-1][c] != event[c] for c in tracked)):
                if is_open:
                    rows[-1] |= {"valid_to": at, "is_current": False}
                is_open = False
            if is_open:
                rows[-1] |= dict(event)
            elif not self.deleted(event):
                rows.append({**event, "valid_from": at, "valid_to": None, "is_current": True})
                is_open = True
        return rows

    def _timed(self, events: Sequence[Event]) -> dict[Any, Event]:
        """The events by instant: their own time, or that of one before if it's later; of several at one the last."""
        column = next((c for c in self.newest if c != _POSITION), self.newest[0])
        latest, found = None, dict[Any, Event]()
        for event in events:
            latest = max((t for t in (latest, event[column]) if t is not None), default=None)
            found[latest] = event
        return found

    def _told(self, event: Event, before: Event | None) -> Event:
        """The event with what it doesn't tell taken from the one before, unless that deletes or doesn't know it."""
        untold = event.get(_UNAVAILABLE) or ()
        if not untold or self.deleted(event):
            return event
        known = {} if before is None or self.deleted(before) else before
        missing = [c for c in untold if not known or c in (known.get(_UNAVAILABLE) or ())]
        return {**event, **{c: None if c in missing else known[c] for c in untold}, _UNAVAILABLE: missing or None}

    def _key(self, event: Event) -> Key:
        return tuple(event[c] for c in self.on)

    @property
    def _order(self) -> list[str]:
        return sorted(self.newest, key=lambda column: column != _POSITION)

    def _place(self, event: Event) -> tuple[Any, ...]:
        """Where an event comes: by `newest`, deletions after others, then by the other columns; nulls first."""
        ordered, rest = ([event[c] for c in names] for names in (self._order, self.others))
        return _sortable(ordered), self.deleted(event), _sortable(rest)


def _sortable(values: Iterable[Any]) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is not None, value) for value in values)


def deliveries(events: Iterable[Event], batches: int, random: Random) -> list[list[Event]]:
    """The events in any order, split over some batches in any way, and some of them delivered again."""
    arriving = [*events]
    arriving += [event for event in arriving if random.random() < 0.2]
    random.shuffle(arriving)
    split: list[list[Event]] = [[] for _ in range(batches)]
    for event in arriving:
        split[random.randrange(batches)].append(event)
    return split


def arrivals(events: SearchStrategy[Event], batches: int, size: int = 100) -> SearchStrategy[list[list[Event]]]:
    """Some batches of at most `size` events each, to be delivered one after the other; needs Hypothesis.

    Among them are events that come again, in the same batch or in a later one. Draw columns from few values, so that
    keys, instants and ties meet.
    """
    from hypothesis import strategies as st

    @st.composite
    def delivered(draw: st.DrawFn) -> list[list[Event]]:
        found: list[list[Event]] = []
        for _ in range(batches):
            known = [event for batch in found for event in batch]
            again = st.lists(st.sampled_from(known), max_size=size // 5) if known else st.just(list[Event]())
            found.append(draw(st.permutations([*draw(st.lists(events, max_size=size)), *draw(again)])))
        return found

    return delivered()
