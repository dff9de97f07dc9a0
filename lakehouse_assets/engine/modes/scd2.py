"""`history`: a row for each version of a key, computed from all its events, so that arrival order can't matter.

The events are remembered beside the table. A run looks up those of the keys that have new ones, works out their
versions anew, and changes only the rows of the table that differ.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake import delta_merge, state
from lakehouse_assets.engine.lake.delta_merge import (
    GONE,
    Target,
    last_of,
    of_keys,
    ordering,
    others,
    same_key,
    with_gone,
)
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.kept_rows import persisted
from lakehouse_assets.engine.lake.state import StatePart, read_state
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.modes import unavailable
from lakehouse_assets.engine.modes.replace import rebuild
from lakehouse_assets.engine.modes.work import Done, Work, committed
from lakehouse_assets.engine.spec.modes import UNAVAILABLE, VALIDITY, History
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FROM, TO, CURRENT = VALIDITY
_AT = "__at"


def versions(events: DataFrame, table: Table, mode: History) -> DataFrame:
    """The versions that some keys' events make, in the columns of the table."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    at, columns = F.col(_AT), [c for c in events.columns if c != GONE]
    in_order = Window.partitionBy(*mode.on).orderBy(at)
    tracked = F.struct(*(F.col(f"`{c}`") for c in mode.track or others(table, mode)))
    before = F.lag(tracked).over(in_order)
    opens = ~F.col(GONE) & (F.coalesce(F.lag(GONE).over(in_order), F.lit(True)) | ~tracked.eqNullSafe(before))
    marked = (
        last_of(_timed(events, table, mode), [*mode.on, _AT], table, mode)
        .withColumn("__opens", opens)
        .withColumn("__version", F.sum(F.col("__opens").cast("int")).over(in_order))
        .withColumn("__ends", F.lead(F.col("__opens") | F.col(GONE)).over(in_order))
        .withColumn(TO, F.lead(at).over(in_order))
        .withColumn(FROM, F.first(at).over(Window.partitionBy(*mode.on, "__version").orderBy(at)))
    )
    # A version has the values of its last event, the one that is followed by an end or by nothing.
    last = marked.where(f"NOT {GONE} AND coalesce(__ends, true)").withColumn(CURRENT, F.col("__ends").isNull())
    return last.select(*(F.col(f"`{c}`") for c in columns), *VALIDITY)


def _timed(events: DataFrame, table: Table, mode: History) -> DataFrame:
    """The events with their instants: the time that each tells, or that of an event before it if that is later."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    at = F.col(f"`{mode.at}`")
    if mode.order == mode.newest:  # then time comes first, or there is none
        return events.withColumn(_AT, at)
    before = Window.partitionBy(*mode.on).orderBy(*ordering(table, mode))
    return events.withColumn(_AT, F.max(at).over(before.rowsBetween(Window.unboundedPreceding, Window.currentRow)))


def differences(wanted: DataFrame, stored: DataFrame, table: Table, mode: History) -> DataFrame:
    """The versions to insert or change, and those to remove (`__gone`); not those that are stored as they should be."""
    from pyspark.sql import functions as F

    columns = wanted.columns
    match = f"{same_key(table, mode.on, 'w', 's')} AND w.{FROM} <=> s.{FROM}"
    equal = " AND ".join([match, *(f"w.`{c}` <=> s.`{c}`" for c in _compared(columns, table, mode))])
    new = wanted.alias("w").join(_alike(stored, columns).alias("s"), F.expr(equal), "left_anti")
    old = stored.alias("s").join(wanted.alias("w"), F.expr(match), "left_anti")
    return new.withColumn(GONE, F.lit(False)).unionByName(_alike(old, columns).withColumn(GONE, F.lit(True)))


def write(rows: DataFrame, work: Work, mode: History, stamp: Stamp) -> Done:
    """Bring the versions of the keys with new events into the table, then the events into its state."""
    table, stamp = work.table, replace(stamp, remembers=True)
    with persisted(with_gone(rows, mode), work.lake) as events:
        if work.whole:
            told = unavailable.told(events, table, mode)
            done = rebuild(versions(told, table, mode), work, stamp)
        else:
            _merge_versions(events, work, mode, stamp)
            done = Done(committed(work, stamp))
        state.write_state(events, StatePart(table, work.lake, stamp.app, stamp.run, work.whole))
        return done


def complete_state(rows: DataFrame, part: StatePart, mode: History) -> None:
    """Write to the state what a run that ended too early left out, of the rows it had accepted."""
    state.write_state(with_gone(rows, mode), part)


def _merge_versions(events: DataFrame, work: Work, mode: History, stamp: Stamp) -> None:
    table, past = work.table, read_state(work.spark, work.table, work.lake)
    assert past is not None  # noqa: S101  (or the plan would say "full")
    known = of_keys(past, events, table, mode).unionByName(events, allowMissingColumns=True)
    told = unavailable.told(known, table, mode)
    stored = of_keys(read_rows(work.spark, work.place), events, table, mode)
    changes = differences(versions(told, table, mode), stored, table, mode)
    with persisted(changes, work.lake) as kept:  # MERGE reads it twice
        merge(kept, work, mode, stamp)


def merge(changes: DataFrame, work: Work, mode: History, stamp: Stamp) -> None:
    """Bring the differences into the table."""
    same = f"{same_key(work.table, mode.on, 's', 't')} AND s.{FROM} <=> t.{FROM}"
    delta_merge.merge(changes, Target(work.place, same, mode.on), stamp)


def _compared(columns: list[str], table: Table, mode: History) -> list[str]:
    untold = [UNAVAILABLE] if UNAVAILABLE in columns else []
    return [*mode.newest, *others(table, mode), *untold, TO, CURRENT]


def _alike(rows: DataFrame, columns: list[str]) -> DataFrame:
    """The rows in these columns; those a table doesn't have yet are null."""
    from pyspark.sql import functions as F

    have = set(rows.columns)
    return rows.select(*(F.col(f"`{c}`") if c in have else F.lit(None).alias(c) for c in columns))
