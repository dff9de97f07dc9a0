"""How new rows come into a table: the write modes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

# A row's place in the log it comes from; where a table is ordered by it, it's compared before all else.
POSITION = "_position"
# The columns whose value an event leaves alone and doesn't tell, as a list of names; null if it tells all.
UNAVAILABLE = "_unavailable"


def _placed(newest: tuple[str, ...]) -> tuple[str, ...]:
    return (POSITION, *(c for c in newest if c != POSITION)) if POSITION in newest else newest


@dataclass(frozen=True)
class Append:
    """Add the new rows; never change a row that is there."""


@dataclass(frozen=True)
class Merge:
    """One row a key: of several, the one with the greatest `newest` columns wins, whatever order they arrive in.

    `_position`, a place in a log, is compared first wherever it stands in `newest`: a later commit may have an earlier
    time. Of rows with equal `newest` one that deletes wins, else the one whose other columns are greatest, in order of
    declaration: so the result doesn't depend on arrival. A winning row that meets the condition `delete_when` removes
    the key, and older rows that arrive after it don't bring the key back. Nulls are a key like others.

    A value that a row doesn't tell, because its column is named in the row's `_unavailable`, is the one of the newest
    row before it, since the key was last deleted, that tells it. Where none does, it's null, and stays named.
    """

    on: tuple[str, ...]
    newest: tuple[str, ...] = ()
    delete_when: str | None = None

    @property
    def order(self) -> tuple[str, ...]:
        """The columns of `newest` as they're compared."""
        return _placed(self.newest)


@dataclass(frozen=True)
class History:
    """SCD 2: a row for each version of a key, with `valid_from`, `valid_to` (null while it lasts) and `is_current`.

    An event opens a version if a column of `track` differs from the version before (by default all columns but `on`
    and `newest`); other columns have the values of the version's last event. `valid_from` is the first column of
    `newest` beside `_position`; of several events of a key at one such instant one counts, chosen as in `Merge`. Where
    `_position` orders events that have other times, a version begins at its event's time, but never before an event
    that it follows. An event that meets `delete_when` ends the version that is open. A value that an event doesn't
    tell (`_unavailable`) is the one before, as in `Merge`. The table is the same whatever order the events arrive in.
    """

    on: tuple[str, ...]
    newest: tuple[str, ...]
    delete_when: str | None = None
    track: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[str, ...]:
        """The columns of `newest` as they're compared."""
        return _placed(self.newest)

    @property
    def at(self) -> str:
        """The column that has the time of an event."""
        return next((c for c in self.newest if c != POSITION), self.newest[0])


# What `History` adds to the columns of a table.
VALIDITY = ("valid_from", "valid_to", "is_current")


@dataclass(frozen=True)
class Replace:
    """Compute the whole table anew from its inputs, and put it in place in one commit."""


@dataclass(frozen=True)
class Refresh:
    """Like `Replace`, but only the groups whose inputs changed are computed anew, and the other rows are left alone.

    `by` are columns of the table. Its query has to be local to the groups: aggregates group by them, windows are
    partitioned by them, and inputs are joined on equal values. Where it isn't for an input, or all of the input was
    rewritten, or most groups are touched, the whole table is computed, and the run says why. A function of the query
    should give the same answer for the same rows: `first` without an order doesn't.
    """

    by: tuple[str, ...]


@dataclass(frozen=True)
class Daily:
    """The days of a table that refreshes, as partitions from `start` on, for backfills: each can be computed anew.

    `column` is a date that the table refreshes by. Other runs refresh what changed, as they would without.
    """

    column: str
    start: date


WriteMode = Append | Merge | History | Replace | Refresh
