"""Which runs of jobs of others were told of, as the text that Dagster keeps for their sensor.

A run is known by its start, its id and its end, in milliseconds: one that failed and was repaired ends a second time.
Runs overlap, so what is remembered begins with the oldest that has not been told of, and an hour before, as a workspace
may show a run later than one that started after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Mark = tuple[int, int, int]
OVERLAP = 3_600_000
# How far back runs are looked for at first.
FIRST_LOOK = 7 * 24 * 3_600_000


@dataclass(frozen=True)
class ForeignRun:
    """A run of a job of others: its page, its state, who or what started it, and its times; no end while it goes on."""

    id: int
    started: int
    ended: int
    state: str
    succeeded: bool
    by: str = ""
    url: str = ""

    @property
    def mark(self) -> Mark:
        return self.started, self.id, self.ended

    @property
    def seconds(self) -> float:
        return (self.ended - self.started) / 1000


@dataclass(frozen=True)
class Told:
    """The runs of one job that were told of, of those that started at or after `since`; all before it were."""

    since: int
    runs: frozenset[Mark] = frozenset()

    def fresh(self, found: Iterable[ForeignRun]) -> list[ForeignRun]:
        """The runs that have ended and weren't told of, in the order in which they ended."""
        return sorted((r for r in found if r.ended and r.mark not in self.runs), key=lambda r: (r.ended, r.id))

    def after(self, found: Iterable[ForeignRun], told: Iterable[ForeignRun]) -> Told:
        """What is remembered once some of what was found were told of."""
        seen, known = list(found), self.runs | {run.mark for run in told}
        left = [run.started for run in seen if not run.ended or run.mark not in known]
        bound = min(left) if left else max((run.started for run in seen), default=0)
        since = max(self.since, bound - OVERLAP)
        return Told(since, frozenset(mark for mark in known if mark[0] >= since))


def text_of(told: Mapping[str, Told]) -> str:
    """What is remembered of each table's job, as text."""
    plain = {key: {"since": it.since, "runs": sorted(it.runs)} for key, it in told.items()}
    return json.dumps(plain, separators=(",", ":"))


def read_told(text: str | None, keys: Iterable[str], now: int) -> dict[str, Told]:
    """What is remembered of each table's job. Where the text isn't one of ours, a week of runs is looked at again.

    A person can type anything into the UI, and an older version may find what a newer one wrote.
    """
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = {}
    plain = found if isinstance(found, dict) else {}
    return {key: _told(plain.get(key), now) or Told(now - FIRST_LOOK) for key in keys}


def _told(plain: object, now: int) -> Told | None:
    match plain:
        case {"since": int(since), "runs": list(runs)} if 0 < since <= now and all(map(_is_mark, runs)):
            return Told(since, frozenset((mark[0], mark[1], mark[2]) for mark in runs))
    return None


def _is_mark(plain: object) -> bool:
    return isinstance(plain, list) and len(plain) == 3 and all(type(number) is int for number in plain)
