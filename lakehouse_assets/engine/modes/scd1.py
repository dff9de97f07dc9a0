"""`merge`: one row a key, the newest, whatever order the rows arrive in; a deleted key stays deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake import delta_merge as base
from lakehouse_assets.engine.lake.delta_merge import GONE, SURE, last_of, order, same_key, with_gone
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.spec.modes import UNAVAILABLE, Merge
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def newest_per_key(rows: DataFrame, table: Table, mode: Merge) -> DataFrame:
    """Of the rows of a key the one that wins, which may be a deletion."""
    return last_of(with_gone(rows, mode), mode.on, table, mode)


def living(changes: DataFrame) -> DataFrame:
    """The rows of keys that aren't deleted."""
    return changes.where(f"NOT {GONE}").drop(GONE)


def deletions(changes: DataFrame, mode: Merge) -> DataFrame:
    """What is remembered of the deleted keys: that they are, and since when."""
    return changes.where(GONE).select(*mode.on, *mode.newest)


def unless_deleted(changes: DataFrame, dead: DataFrame, table: Table, mode: Merge) -> DataFrame:
    """The changes that are newer than the deletion of their key, if it was deleted."""
    from pyspark.sql import functions as F

    when = [f"struct({', '.join(f'{side}.`{c}`' for c in mode.order)})" for side in ("s", "d")]
    outdated = F.expr(f"{same_key(table, mode.on, 's', 'd')} AND {when[0]} <= {when[1]}")
    if GONE in dead.columns:  # else there is nothing but deletions
        dead = dead.where(f"coalesce({GONE}, true)")
    return changes.alias("s").join(dead.alias("d"), outdated, "left_anti")


def merge(spark: SparkSession, changes: DataFrame, place: TableRef, table: Table, mode: Merge, stamp: Stamp) -> None:
    """Bring changes into a table, one row a key already, where they're newer than what is there."""
    stored = read_rows(spark, place).columns
    new, old = order(table, mode, "s.", f"s.{GONE}"), order(table, mode, "t.", "false", stored)
    newer = f"{new} > {old}"
    if SURE in changes.columns:
        untold = f"t.`{UNAVAILABLE}`" if UNAVAILABLE in stored else "NULL"
        other = f"NOT ({new} <=> {old} AND s.`{UNAVAILABLE}` <=> {untold})"
        newer = f"if(s.{SURE}, {other}, {newer})"
    base.merge(spark, changes, place, same_key(table, mode.on, "s", "t"), stamp, newer)
