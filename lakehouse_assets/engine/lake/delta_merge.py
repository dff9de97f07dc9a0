"""What SCD 1 and SCD 2 share: the order of events, and rows computed once though they are read often."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake.delta_write import Stamp, transaction
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.lake.tables import in_sql
from lakehouse_assets.engine.spec.modes import History, Merge
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

# True for an event that deletes its key.
GONE = "__gone"
# True for a change that was computed from all there is of its key, so that it counts whatever is stored.
SURE = "__sure"


def with_gone(rows: DataFrame, mode: Merge | History) -> DataFrame:
    """The rows, with what each does to its key."""
    from pyspark.sql import functions as F

    gone = F.coalesce(F.expr(mode.delete_when), F.lit(False)) if mode.delete_when else F.lit(False)
    return rows.withColumn(GONE, gone)


def others(table: Table, mode: Merge | History) -> list[str]:
    """The declared columns beside key and order; maps are left out, because Spark has no order for them."""
    return [c.name for c in table.columns if c.name not in (*mode.on, *mode.newest) and "map<" not in c.type]


def order(table: Table, mode: Merge | History, side: str, gone: str, have: Collection[str] | None = None) -> str:
    """The order of a key's events as SQL: by `mode.order`, then a deletion after the others, then by the other columns.

    Declared columns that are not among those a table has yet are null.
    """
    kinds = {c.name: c.type for c in table.columns}
    told = {c: f"{side}`{c}`" if have is None or c in have else f"CAST(NULL AS {kinds[c]})" for c in kinds}
    newest = [told.get(c, f"{side}`{c}`") for c in mode.order]
    return f"struct({', '.join([*newest, gone, *(told[c] for c in others(table, mode))])})"


def ordering(table: Table, mode: Merge | History) -> list[str]:
    """The columns, quoted, whose order is the one of a key's events."""
    return [f"`{c}`" for c in (*mode.order, GONE, *others(table, mode))]


def last_of(rows: DataFrame, by: Sequence[str], table: Table, mode: Merge | History) -> DataFrame:
    """Of the events that agree in some columns, the last."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    # By columns, not by one struct of them, which Spark would carry through the sort beside them.
    last = (F.col(c).desc() for c in ordering(table, mode))
    nth: Column = F.row_number().over(Window.partitionBy(*by).orderBy(*last))
    return rows.withColumn("__nth", nth).where("__nth = 1").drop("__nth")


def of_keys(rows: DataFrame, others: DataFrame, table: Table, mode: Merge | History, how: str = "semi") -> DataFrame:
    """The rows of those keys that other rows have; with `anti` those of keys that they don't have."""
    from pyspark.sql import functions as F

    keys = others.select(*mode.on).distinct()
    return rows.alias("r").join(keys.alias("k"), F.expr(same_key(table, mode.on, "r", "k")), f"left_{how}")


def same_key(table: Table, on: Sequence[str], left: str, right: str) -> str:
    """The condition that two rows have one key; nulls are equal, where there may be any."""
    required = {c.name for c in table.columns if c.required}
    return " AND ".join(f"{left}.`{c}` {'=' if c in required else '<=>'} {right}.`{c}`" for c in on)


def merge(changes: DataFrame, place: TableRef, match: str, stamp: Stamp, newer: str = "true") -> None:
    """Delete the table's rows that match a change that is `__gone`, update the others, insert those without a match.

    `match` and `newer`, which says whether a change counts, are conditions on the table's row `t` and the change `s`.
    """
    spark, columns = changes.sparkSession, [c for c in changes.columns if c not in (GONE, SURE)]
    sets = ", ".join(f"`{c}` = s.`{c}`" for c in columns)
    names, values = ", ".join(f"`{c}`" for c in columns), ", ".join(f"s.`{c}`" for c in columns)
    changes.createOrReplaceTempView("lakehouse_changes")
    with transaction(spark, stamp):
        spark.sql(
            f"MERGE WITH SCHEMA EVOLUTION INTO {in_sql(spark, place)} t USING lakehouse_changes s ON {match} "
            f"WHEN MATCHED AND {newer} AND s.{GONE} THEN DELETE "
            f"WHEN MATCHED AND {newer} THEN UPDATE SET {sets} "
            f"WHEN NOT MATCHED AND NOT s.{GONE} THEN INSERT ({names}) VALUES ({values})"
        ).collect()


@contextmanager
def persisted(spark: SparkSession, rows: DataFrame) -> Iterator[DataFrame]:
    """The rows, computed once and kept by Spark while they're used more often than that.

    They're handed out under a name, because PySpark can't join what was observed with itself.
    """
    kept, name = rows.persist(), f"lakehouse_kept_{uuid.uuid4().hex}"
    try:
        kept.count()
        kept.createOrReplaceTempView(name)
        yield spark.table(name)
    finally:
        spark.catalog.dropTempView(name)
        kept.unpersist()
