"""Which rows a model learns from, and which are held out to judge it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class ByTime:
    """Rows whose `column` is at or after `since` (UTC) are held out; without it those of the latest `share` of rows.

    Rows of one time are never on both sides.
    """

    column: str
    since: date | datetime | None = None
    share: float = 0.2


@dataclass(frozen=True)
class ByGroup:
    """All rows of a group (a customer, an engine) are on the same side: a `share` of the groups is held out.

    Which ones is decided by a hash of the group and `seed`, so a group stays where it is as rows arrive.
    """

    column: str
    share: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class ByFlag:
    """The rows whose `column` is true are held out, as where a data set comes with a test of its own.

    A search for parameters holds out some groups of the others, by the column `group`, or some rows without one.
    """

    column: str
    group: str = ""


@dataclass(frozen=True)
class AtRandom:
    """A `share` of the rows is held out, by a hash of their key and `seed`, so a row stays where it is."""

    share: float = 0.2
    seed: int = 0


Split = ByTime | ByGroup | ByFlag | AtRandom
