"""`merge`: one row a key, the newest, whatever order the rows arrive in; a deleted key stays deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake import delta_merge, small_writes, state
from lakehouse_assets.engine.lake.delta_merge import GONE, SURE, Target, last_of, order, others, same_key, with_gone
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.kept_rows import persisted
from lakehouse_assets.engine.lake.small_writes import Order, compares
from lakehouse_assets.engine.lake.state import StatePart, last_run, read_state
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.modes import unavailable
from lakehouse_assets.engine.modes.replace import put, rebuild
from lakehouse_assets.engine.modes.unavailable import OPEN, Settled, deletions
from lakehouse_assets.engine.modes.work import Done, Work, committed, small_target
from lakehouse_assets.engine.quality import judge
from lakehouse_assets.engine.spec.modes import UNAVAILABLE, Merge
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def newest_per_key(rows: DataFrame, table: Table, mode: Merge) -> DataFrame:
    """Of the rows of a key the one that wins, which may be a deletion."""
    return last_of(with_gone(rows, mode), mode.on, table, mode)


def living(changes: DataFrame) -> DataFrame:
    """The rows of keys that aren't deleted."""
    return changes.where(f"NOT {GONE}").drop(GONE)


def unless_deleted(changes: DataFrame, dead: DataFrame, table: Table, mode: Merge) -> DataFrame:
    """The changes that are newer than the deletion of their key, if it was deleted."""
    from pyspark.sql import functions as F

    when = [f"struct({', '.join(f'{side}.`{c}`' for c in mode.order)})" for side in ("s", "d")]
    outdated = F.expr(f"{same_key(table, mode.on, 's', 'd')} AND {when[0]} <= {when[1]}")
    if GONE in dead.columns:  # else there is nothing but deletions
        dead = dead.where(f"coalesce({GONE}, true)")
    return changes.alias("s").join(dead.alias("d"), outdated, "left_anti")


def write(rows: DataFrame, work: Work, mode: Merge, stamp: Stamp) -> Done:
    """Bring the newest row of each key into the table, then what it has to know of deleted and open keys."""
    table, changes = work.table, newest_per_key(unavailable.marked(rows, mode), work.table, mode)
    if work.whole and not mode.delete_when and OPEN not in changes.columns:
        return rebuild(living(changes), work, stamp)
    past = None if work.whole else read_state(work.spark, table, work.lake)
    if done := _by_delta_rs(changes, past, work, mode, stamp):
        return done
    part = StatePart(table, work.lake, stamp.app, stamp.run, work.whole)
    # Judged once more, because PySpark can't join what is observed with itself.
    judged = judge.accepted(judge.judge(work.rows, table.expectations), table.expectations)
    with (
        persisted(changes if past is None else unless_deleted(changes, past, table, mode), work.lake) as kept,
        _settled(kept, judged, past, mode, part) as found,
    ):
        forgets = work.whole and last_run(table, work.lake) > 0
        done = _commit(found, work, mode, replace(stamp, remembers=forgets or found.remembers))
        if forgets or found.remembers:
            state.write_state(found.remembered, part)
        return done


def _by_delta_rs(changes: DataFrame, past: DataFrame | None, work: Work, mode: Merge, stamp: Stamp) -> Done | None:
    """The merge of few changes, where no event of their keys leaves a value untold; None where Spark has to make it."""
    if work.whole or (past is not None and UNAVAILABLE in past.columns):
        return None
    log = small_target(changes.drop(OPEN), work)
    order = Order(mode.on, (*mode.order, GONE, *others(work.table, mode)))
    if log is None or not compares(log.columns, order):
        return None
    rows = (changes if past is None else unless_deleted(changes, past, work.table, mode)).toArrow()
    if OPEN in rows.column_names:
        if True in rows[OPEN].to_pylist():
            return None
        rows = rows.drop_columns([OPEN])
    gone = rows.filter(rows[GONE]).select([*mode.on, *mode.newest])
    if not small_writes.merge(rows, order, log, work.place, replace(stamp, remembers=gone.num_rows > 0)):
        return None
    done = Done(committed(work, stamp))
    if gone.num_rows:
        part = StatePart(work.table, work.lake, stamp.app, stamp.run)
        state.write_state(work.spark.createDataFrame(gone), part)
    return done


def _commit(found: Settled, work: Work, mode: Merge, stamp: Stamp) -> Done:
    if work.whole:
        return put(living(found.changes.drop(SURE)), work, stamp)
    merge(found.changes, work, mode, stamp)
    return Done(committed(work, stamp))


def complete_state(rows: DataFrame, part: StatePart, mode: Merge) -> None:
    """Write to the state what a run that ended too early left out, of the rows it had accepted."""
    past = None if part.fresh else read_state(rows.sparkSession, part.table, part.lake)
    changes = newest_per_key(unavailable.marked(rows, mode), part.table, mode)
    with _settled(changes, rows, past, mode, part) as found:
        state.write_state(found.remembered, part)


@contextmanager
def _settled(
    changes: DataFrame, rows: DataFrame, past: DataFrame | None, mode: Merge, part: StatePart
) -> Iterator[Settled]:
    """What comes of rows, of whose keys `changes` has the newest, given what is remembered."""
    deleted, opened = unavailable.found_in(changes, mode)
    if opened or (past is not None and UNAVAILABLE in past.columns):
        known = None if part.fresh else unavailable.known(past, part, changes.sparkSession)
        with unavailable.settled(changes, rows, known, part, mode) as found:
            yield found
    else:
        kept = changes.drop(OPEN)
        yield Settled(kept, deletions(kept, mode), deleted)


def merge(changes: DataFrame, work: Work, mode: Merge, stamp: Stamp) -> None:
    """Bring changes into a table, one row a key already, where they're newer than what is there."""
    table, stored = work.table, read_rows(work.spark, work.place).columns
    new, old = order(table, mode, "s.", f"s.{GONE}"), order(table, mode, "t.", "false", stored)
    newer = f"{new} > {old}"
    if SURE in changes.columns:
        untold = f"t.`{UNAVAILABLE}`" if UNAVAILABLE in stored else "NULL"
        other = f"NOT ({new} <=> {old} AND s.`{UNAVAILABLE}` <=> {untold})"
        newer = f"if(s.{SURE}, {other}, {newer})"
    delta_merge.merge(changes, Target(work.place, same_key(table, mode.on, "s", "t"), mode.on, newer), stamp)
