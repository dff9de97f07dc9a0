"""Whether to refresh the groups that changed or to rebuild the table: what takes less time, by the numbers of rows.

The constants are fitted to the cells of `benchmarks/measured/costs.py`, measured on two cores and a warm engine
(`benchmarks/RESULTS.md`). Another machine is faster or slower at both ways, so that they still compare.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.modes.work import Touched
from lakehouse_assets.engine.plan.plan import Plan, rebuilding

# So many rows of groups are brought here and put in place by delta-rs; more are merged by Spark.
ROWS = 200_000
# A rebuild makes whatever reads the table be rebuilt too. So it has to be faster by this much.
WORTH = 1.1


@dataclass(frozen=True)
class Size:
    """Rows of the inputs and of the table; groups that are touched, and how many of the rows are in them."""

    inputs: int
    own: int
    touched: int = 0
    groups: int = 0


@dataclass(frozen=True)
class Cost:
    """Seconds: those of any run, and those for a million rows of each kind, and for a million groups."""

    run: float
    inputs: float
    own: float
    touched: float = 0.0
    groups: float = 0.0

    def seconds(self, size: Size) -> float:
        rows = self.inputs * size.inputs + self.own * size.own + self.touched * size.touched
        return self.run + (rows + self.groups * size.groups) / 1e6


# The whole table, computed and written by Spark.
REBUILT = Cost(run=1.3, inputs=0.1, own=1.7)
# Groups that Spark computes and delta-rs puts in place.
PUT = Cost(run=0.7, inputs=0.03, own=0.1, touched=5.0, groups=130.0)
# Groups that Spark finds, counts, computes and merges.
MERGED = Cost(run=4.5, inputs=0.03, own=1.3, touched=9.0)


def rebuild_instead(size: Size, way: Cost) -> str | None:
    """What both ways take, told to people, if a rebuild is faster than a refresh in some way; None if it isn't."""
    refreshed, rebuilt = way.seconds(size), REBUILT.seconds(size)
    return f"about {rebuilt:.1f} s, not {refreshed:.1f} s" if refreshed > WORTH * rebuilt else None


def decided(plan: Plan, found: Touched | None, own: TableLog) -> Plan:
    """The plan of a refresh, with its number of groups; for the whole table if that takes less time.

    Where only Spark can find the groups, it's for the whole table if that takes less time than to merge any.
    """
    if found:
        return by_cost(plan, len(found.groups), found.rows, own, few=found.rows <= ROWS)
    size = size_of(plan, own)
    faster = rebuild_instead(size, MERGED)
    why = f"computing all {own.rows:,} rows from {_inputs(plan, size)} is faster than merging groups by Spark"
    return rebuilding(plan, f"{why} ({faster})") if faster else plan


def by_cost(plan: Plan, groups: int, rows: int, own: TableLog, *, few: bool = False) -> Plan:
    """The same of groups that were counted, with so many rows; a few are put in place by delta-rs."""
    size = replace(size_of(plan, own), touched=rows, groups=groups)
    if faster := rebuild_instead(size, PUT if few else MERGED):
        why = f"{rows:,} of {own.rows:,} rows are in the {groups:,} groups touched"
        return rebuilding(plan, f"{why}, and computing all from {_inputs(plan, size)} is faster ({faster})")
    return replace(plan, groups=groups)


def size_of(plan: Plan, own: TableLog) -> Size:
    """How many rows there are, by the logs."""
    logs = [read_log(table) for table in {read.table for read in plan.reads.values()}]
    return Size(sum(log.rows for log in logs if log), own.rows)


def _inputs(plan: Plan, size: Size) -> str:
    return f"the {size.inputs:,} of {', '.join(sorted({read.key for read in plan.reads.values()}))}"
