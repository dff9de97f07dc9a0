"""What SCD 1 and SCD 2 share: the order of events, and rows computed once though they are read often."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake import delta_write
from lakehouse_assets.engine.lake.capabilities import capabilities
from lakehouse_assets.engine.lake.delta_write import Stamp, transaction
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.lake.tables import in_sql, read_rows
from lakehouse_assets.engine.spec.modes import History, Merge
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.engine.spec.texts import literal, one_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# True for an event that deletes its key.
GONE = "__gone"
# True for a change that was computed from all there is of its key, so that it counts whatever is stored.
SURE = "__sure"
_THERE = "__there"
# Values of so many keys are told to Delta, so that it looks at their rows alone.
FEW = 1_000
_PLAIN = re.compile(r"string|boolean|tinyint|smallint|int|bigint|date|timestamp|timestamp_ntz|decimal\(\d+,\d+\)")


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


@dataclass(frozen=True)
class Target:
    """A table that changes are brought into, and which of its rows they are about.

    `match` says which row `t` of the table a change `s` is about, `newer` whether the change counts; rows that match
    agree with it in the columns `by`.
    """

    place: TableRef
    match: str
    by: Sequence[str]
    newer: str = "true"


def merge(changes: DataFrame, target: Target, stamp: Stamp) -> None:
    """Delete the table's rows that match a change that is `__gone`, update the others, insert those without a match."""
    if capabilities(changes.sparkSession).settings:
        _merge(changes, target, stamp)
    else:
        _overwrite(changes, target, stamp)


def _merge(changes: DataFrame, target: Target, stamp: Stamp) -> None:
    spark, columns = changes.sparkSession, [c for c in changes.columns if c not in (GONE, SURE)]
    sets = ", ".join(f"`{c}` = s.`{c}`" for c in columns)
    names, values = ", ".join(f"`{c}`" for c in columns), ", ".join(f"s.`{c}`" for c in columns)
    changes.createOrReplaceTempView("lakehouse_changes")
    with transaction(spark, stamp):
        spark.sql(
            f"MERGE WITH SCHEMA EVOLUTION INTO {in_sql(spark, target.place)} t USING lakehouse_changes s "
            f"ON {target.match} "
            f"WHEN MATCHED AND {target.newer} AND s.{GONE} THEN DELETE "
            f"WHEN MATCHED AND {target.newer} THEN UPDATE SET {sets} "
            f"WHEN NOT MATCHED AND NOT s.{GONE} THEN INSERT ({names}) VALUES ({values})"
        ).collect()


def _overwrite(changes: DataFrame, target: Target, stamp: Stamp) -> None:
    """The same by a write of the rows that come of it, which takes its transaction from options and not from settings.

    They take the place of all rows that agree in `by` with a change; what isn't changed among them is written again.
    """
    from pyspark.sql import functions as F

    where = _about(changes, target.by)
    stored = read_rows(changes.sparkSession, target.place).where(where)
    hit = F.expr(f"({target.match}) AND ({target.newer})")
    left = stored.alias("t").join(changes.alias("s"), hit, "left_anti")
    old = stored.withColumn(_THERE, F.lit(True)).alias("t")
    found = changes.where(f"NOT {GONE}").alias("s").join(old, F.expr(target.match), "left")
    put = found.where(f"t.{_THERE} IS NULL OR ({target.newer})").select(*_put(changes, stored))
    stamp = replace(stamp, keeps=changes.where(GONE).isEmpty())
    delta_write.replace_where(left.unionByName(put, allowMissingColumns=True), target.place, where, stamp)


def _put(changes: DataFrame, stored: DataFrame) -> list[Column]:
    """The columns of a row that is put in place: the change's, and of the table's others those that were there."""
    from pyspark.sql import functions as F

    kinds = {field.name: field.dataType for field in stored.schema.fields}
    told = [c for c in changes.columns if c not in (GONE, SURE)]
    new = [F.col(f"s.`{c}`").cast(kinds[c]) if c in kinds else F.col(f"s.`{c}`") for c in told]
    return [
        *(column.alias(name) for column, name in zip(new, told, strict=True)),
        *(F.col(f"t.`{c}`") for c in kinds if c not in told),
    ]


def _about(changes: DataFrame, by: Sequence[str]) -> str:
    """The condition of rows that agree with a change in some columns; true for all where those are many, or of types
    whose values aren't written as text.
    """
    kinds = {f.name: f.dataType.simpleString() for f in changes.schema.fields if f.name in by}
    if not all(_PLAIN.fullmatch(kind) for kind in kinds.values()):
        return "true"
    texts = (f"CAST(`{c}` AS string) AS `{c}`" for c in by)
    found = changes.selectExpr(*texts).distinct().limit(FEW + 1).collect()
    if len(found) > FEW:
        return "true"
    return one_of(by, [tuple(row) for row in found], lambda c, text: f"CAST({literal(text)} AS {kinds[c]})")
