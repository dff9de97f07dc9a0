"""What makes a table one of features: whom a row is about, when it was so, and since when that is known."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureKey:
    """How the rows of a features table are found: by the entity, as of a time.

    `on` are the columns of the entity's key. `event_time` is the time of what the values are about. `known_time` is the
    one since when they're known: a late or corrected value has a later one than its event. Of an `online` table, the
    latest values of each entity are also in the online store.
    """

    on: tuple[str, ...]
    event_time: str
    known_time: str
    online: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return tuple(dict.fromkeys((*self.on, self.event_time, self.known_time)))
