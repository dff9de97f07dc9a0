"""At which version of its table a store is, and what there is to do to bring it to another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lakehouse_assets.engine.errors import SinkError
from lakehouse_assets.engine.lake.delta_commits import Commit, commit_of
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_rs import undamaged
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.engine.spec.sinks.columns import of_sink
from lakehouse_assets.engine.spec.sinks.sink import Sink
from lakehouse_assets.engine.spec.table import Table

# By the change feed, or by comparing all rows by key.
Strategy = Literal["nothing", "upsert", "full"]


@dataclass(frozen=True)
class Held:
    """What a store says that it has: a version of a Delta table, by its id, and the columns of it, as JSON."""

    id: str
    version: int
    columns: str


@dataclass(frozen=True)
class Work:
    """A sink, the table that it brings to its store, and where that table is."""

    sink: Sink
    table: Table
    place: TableRef

    @classmethod
    def of(cls, sink: Sink, table: Table, lake: Lake) -> Work:
        return cls(sink, table, lake.table(table.key))

    def log(self) -> TableLog | None:
        """The table as it is now; None if it isn't built."""
        return read_log(self.place)

    def columns(self, log: TableLog) -> Mapping[str, str]:
        """The columns that the store gets, with their Spark types.

        Raises:
            SinkError: the table has one of them not yet.
        """
        wanted = of_sink(self.sink, self.table)
        if missing := [name for name in wanted if name not in log.columns]:
            raise SinkError(
                f"Bringing {self.table.key} to {self.sink.key}: it has no column {', '.join(missing)} yet; run "
                f"`lakehouse run {self.table.key}`, which makes it as it's declared"
            )
        return {name: log.columns[name] for name in wanted}

    def held(self, log: TableLog) -> Held:
        """What the store has once all of the table is in it."""
        return Held(log.id, log.version, json.dumps([self.table.keys, dict(self.columns(log))]))


@dataclass(frozen=True)
class Decision:
    """How a store is brought to a version, why, and the versions whose changes are read for it, in order."""

    strategy: Strategy
    reason: str
    news: Sequence[int] = ()


@dataclass(frozen=True)
class Brought:
    """What was done to a store, and from which version of the table (None for none) to which it came by that."""

    decision: Decision
    id: str
    version: int
    after: int | None = None
    upserted: int = 0
    deleted: int = 0


def decided(log: TableLog, before: Held | None, wanted: Held) -> Decision:
    """How to bring a store from what it has to what is wanted."""
    if before is None:
        return Decision("full", "the store has no version of the table yet")
    if before.id != wanted.id:
        return Decision("full", "the table was made anew")
    if before.columns != wanted.columns:
        return Decision("full", "its columns are others than before")
    if before.version > wanted.version:
        return Decision("full", f"the table went back from version {before.version} to {wanted.version}")
    commits = _commits_after(log, before.version)
    if commits is None:
        return Decision("full", f"the table's log no longer goes back to version {before.version}")
    if restored := [it.version for it in commits if it.restores]:
        return Decision("full", f"version {restored[0]} put the table back to an earlier one")
    news = sorted(it.version for it in commits if it.changes_data)
    if not news:
        return Decision("nothing", f"no row has changed since version {before.version}")
    if log.marks_deleted:  # a file that goes would be told of with the rows that had gone from it before
        return Decision("full", "the table has deletion vectors, of which delta-rs doesn't tell in its changes")
    return Decision("upsert", f"the changes since version {before.version}", news)


def _commits_after(log: TableLog, version: int) -> list[Commit] | None:
    """The commits after a version; None where the log no longer has them all. No others are read: a table that grows
    each second has a long log.
    """
    number = log.version - version
    with undamaged(log.table.table_uri):
        told = [commit_of(entry) for entry in log.table.history(number)] if number else []
    found = [commit for commit in told if version < commit.version <= log.version]
    return found if len(found) == number else None
