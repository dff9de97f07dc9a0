"""A plan: which rows of which inputs a run takes in, how, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.engine.registry.versions import Version
from lakehouse_assets.engine.spec.inputs import Upstream
from lakehouse_assets.engine.spec.table import Table

Strategy = Literal[
    "nothing", "append", "merge", "refresh", "full", "replay", "forget", "refused", "checks", "task", "train", "upsert"
]


@dataclass(frozen=True)
class Read:
    """What to read of one upstream: the version to read it at and, for changes only, the version already consumed."""

    key: str
    table: TableRef
    id: str
    to: int
    upstream: Upstream
    after: int | None = None

    @property
    def lookup(self) -> bool:
        return self.upstream.lookup


@dataclass(frozen=True)
class Plan:
    """What a run would do: `strategy` and `reason` for people, `run` and `reads` for the run itself.

    `run` is the table's own counter, written as Delta's transaction version. `files` counts arrivals not read yet,
    `groups` those to compute anew, where that was counted. `accepts_loss` is a person's word for a rebuild. `days`, the
    first and the last, are those of a backfill. `forgot` has the files whose rows are what was removed upstream, where
    nothing else was. `champion` is the version of the model that a table of scores is made by.
    """

    table: Table
    strategy: Strategy
    reason: str
    run: int = 0
    reads: Mapping[str, Read] = field(default_factory=dict)
    files: int = 0
    groups: int | None = None
    accepts_loss: bool = False
    days: tuple[date, date] | None = None
    forgot: tuple[str, ...] = ()
    champion: Version | None = None

    @property
    def key(self) -> str:
        return self.table.key


@dataclass
class Logs:
    """The logs of a lake, each read once in one act of planning, which looks at what was done `by_hand` or doesn't."""

    lake: Lake
    by_hand: bool = True
    _seen: dict[TableRef, TableLog | None] = field(default_factory=dict)

    def table(self, key: str) -> TableLog | None:
        return self._at(self.lake.table(key))

    def quarantine(self, key: str) -> TableLog | None:
        return self._at(self.lake.quarantine(key))

    def state(self, key: str) -> TableLog | None:
        return self._at(self.lake.state(key))

    def _at(self, table: TableRef) -> TableLog | None:
        if table not in self._seen:
            self._seen[table] = read_log(table)
        return self._seen[table]


def rebuilding(plan: Plan, why: str) -> Plan:
    """A plan made one of the whole table, and why."""
    reads = {parameter: replace(read, after=None) for parameter, read in plan.reads.items()}
    return replace(plan, strategy="full", reason=why, reads=reads)
