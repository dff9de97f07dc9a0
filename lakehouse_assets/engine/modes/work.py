"""What a run is to write, which is all that a write mode is told; and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.lake import delta_write, small_writes
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_merge import GONE
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.engine.modes.refresh.routes import Routes
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.plan.small_runs import few_changes, is_small
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Group = tuple[Any, ...]


@dataclass(frozen=True)
class Touched:
    """Groups, as values of the columns `by`, and how many rows the table has of them."""

    by: tuple[str, ...]
    groups: Sequence[Group]
    rows: int


@dataclass(frozen=True)
class Work:
    """The rows that a plan comes to, before they're judged; of which groups, if not of all; how changes lead to groups.

    The groups are `few`, or many in a DataFrame. `little` says that the rows are few, where `plan` doesn't tell.
    """

    plan: Plan
    rows: DataFrame
    lake: Lake
    few: Touched | None = None
    many: DataFrame | None = None
    routes: Routes = field(default_factory=dict)
    little: bool = False

    @property
    def table(self) -> Table:
        return self.plan.table

    @property
    def place(self) -> TableRef:
        return self.lake.table(self.table.key)

    @property
    def whole(self) -> bool:
        """Whether the rows take the place of all that are stored."""
        return self.plan.strategy == "full"

    @property
    def spark(self) -> SparkSession:
        return self.rows.sparkSession


@dataclass(frozen=True)
class Done:
    """The version that was committed, and the checks of the whole table that were made before."""

    version: int
    audited: frozenset[str] = frozenset()


def small_target(rows: DataFrame, work: Work) -> TableLog | None:
    """The log of a table that delta-rs can add rows of this kind to, if they are few; else None."""
    log = read_log(work.place) if work.little or few_changes(work.plan) else None
    if log is None or not is_small(log):
        return None
    kinds = {field.name: field.dataType.simpleString() for field in rows.schema.fields if field.name != GONE}
    return log if small_writes.takes(log, kinds) else None


def committed(work: Work, stamp: Stamp) -> int:
    """The version that the run committed.

    Raises:
        Superseded: another run committed first.
    """
    return delta_write.committed(read_log(work.place), stamp)
