"""`merge`: one row a key, the newest, whatever order the rows arrive in; a deleted key stays deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_assets.engine.run.changes import GONE, last_of, order, same_key, with_gone
from lakehouse_assets.engine.run.write import Stamp, transaction
from lakehouse_assets.engine.spec import Merge, Table

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

    when = [f"struct({', '.join(f'{side}.`{c}`' for c in mode.newest)})" for side in ("s", "d")]
    outdated = F.expr(f"{same_key(table, mode.on, 's', 'd')} AND {when[0]} <= {when[1]}")
    return changes.alias("s").join(dead.alias("d"), outdated, "left_anti")


def merge(spark: SparkSession, changes: DataFrame, path: str, table: Table, mode: Merge, stamp: Stamp) -> None:
    """Bring changes into a table, one row a key already, where they're newer than what is there."""
    changes.createOrReplaceTempView("lakehouse_changes")
    with transaction(spark, stamp):
        spark.sql(statement(path, table, mode, [c for c in changes.columns if c != GONE])).collect()


def statement(path: str, table: Table, mode: Merge, columns: list[str]) -> str:
    """The MERGE that keeps, for each key, the row that is newest by the mode's order."""
    newer = f"{order(table, mode, 's.', f's.{GONE}')} > {order(table, mode, 't.', 'false')}"
    sets = ", ".join(f"t.`{c}` = s.`{c}`" for c in columns)
    names, values = ", ".join(f"`{c}`" for c in columns), ", ".join(f"s.`{c}`" for c in columns)
    return (
        f"MERGE WITH SCHEMA EVOLUTION INTO delta.`{path}` t USING lakehouse_changes s "
        f"ON {same_key(table, mode.on, 's', 't')} "
        f"WHEN MATCHED AND {newer} AND s.{GONE} THEN DELETE "
        f"WHEN MATCHED AND {newer} THEN UPDATE SET {sets} "
        f"WHEN NOT MATCHED AND NOT s.{GONE} THEN INSERT ({names}) VALUES ({values})"
    )
