"""Step 4: one Delta commit, which holds the rows and the record of what was read for them.

Delta skips a write whose application and transaction version it has seen. The application is the table's key, the
version its run counter, so of two runs that try the same step only one can commit.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.delta_log import MARK, TableLog
from lakehouse_assets.engine.errors import LakehouseError, RuleFailed, SparkUnavailable
from lakehouse_assets.engine.run.check import FAILED
from lakehouse_assets.engine.spec import Merge, Table

if TYPE_CHECKING:
    from pyspark.errors import PySparkException
    from pyspark.sql import Column, DataFrame, DataFrameWriter, SparkSession

GONE = "__gone"
_TXN = {
    "spark.databricks.delta.write.txnAppId": "app",
    "spark.databricks.delta.write.txnVersion": "run",
    "spark.databricks.delta.commitInfo.userMetadata": "metadata",
}
_CONFLICTS = ("DELTA_CONCURRENT", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED", "DELTA_PATH_EXISTS",
              "DELTA_VERSIONS_NOT_CONTIGUOUS", "DELTA_COMMIT")  # fmt: skip


class Superseded(LakehouseError):
    """Another run committed to the table first; what was read for this one has to be planned anew."""


@dataclass(frozen=True)
class Stamp:
    """Who commits (`app`, the table's key), which of its runs this is, and what the commit says about itself."""

    app: str
    run: int
    read: Mapping[str, Any]
    code: str
    rules: str
    by: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def metadata(self) -> str:
        body = {"run": self.run, "read": self.read, "code": self.code, "rules": self.rules, "by": self.by}
        return json.dumps({MARK: body})


def append(df: DataFrame, path: str, stamp: Stamp) -> None:
    """Add the rows; columns the table doesn't have yet are added to it."""
    _stamped(df, stamp).mode("append").option("mergeSchema", "true").save(path)


def overwrite(df: DataFrame, path: str, stamp: Stamp) -> None:
    """Put the rows in the place of all there are. Readers see the old table until the commit, the new one after it."""
    _stamped(df, stamp).mode("overwrite").option("overwriteSchema", "true").save(path)


def merge(spark: SparkSession, changes: DataFrame, path: str, table: Table, mode: Merge, stamp: Stamp) -> None:
    """Bring changes into a table, one row a key already (`newest_per_key`), where they're newer than what is there."""
    from pyspark.sql import functions as F

    gone = F.coalesce(F.expr(mode.delete_when or "false"), F.lit(False))
    changes.withColumn(GONE, gone).createOrReplaceTempView("lakehouse_changes")
    with _transaction(spark, stamp):
        spark.sql(merge_statement(path, table, mode, changes.columns)).collect()


def merge_statement(path: str, table: Table, mode: Merge, columns: list[str]) -> str:
    """The MERGE that keeps, for each key, the row that is newest by the mode's order."""
    order = ordering(table, mode)
    on = " AND ".join(f"t.`{c}` = s.`{c}`" for c in mode.on)
    newer = f"struct({_qualified('s', order)}) > struct({_qualified('t', order)})"
    sets = ", ".join(f"t.`{c}` = s.`{c}`" for c in columns)
    names = ", ".join(f"`{c}`" for c in columns)
    return (
        f"MERGE WITH SCHEMA EVOLUTION INTO delta.`{path}` t USING lakehouse_changes s ON {on} "
        f"WHEN MATCHED AND {newer} AND s.{GONE} THEN DELETE "
        f"WHEN MATCHED AND {newer} THEN UPDATE SET {sets} "
        f"WHEN NOT MATCHED AND NOT s.{GONE} THEN INSERT ({names}) VALUES ({_qualified('s', columns)})"
    )


def _qualified(side: str, columns: list[str]) -> str:
    return ", ".join(f"{side}.`{c}`" for c in columns)


def ordering(table: Table, mode: Merge) -> list[str]:
    """The columns that decide which of two rows of a key wins: `newest`, then the others as declared.

    Maps are left out, because Spark has no order for them.
    """
    rest = [c.name for c in table.columns if c.name not in (*mode.on, *mode.newest) and "map<" not in c.type]
    return [*mode.newest, *rest] or list(mode.on)


def newest_per_key(df: DataFrame, table: Table, mode: Merge) -> DataFrame:
    """Of the rows of a key, the one that wins."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    order = F.struct(*(F.col(f"`{c}`") for c in ordering(table, mode)))
    latest: Column = F.row_number().over(Window.partitionBy(*mode.on).orderBy(order.desc()))
    return df.withColumn("__nth", latest).where("__nth = 1").drop("__nth")


def committed(log: TableLog | None, stamp: Stamp) -> int:
    """The version this stamp was committed as.

    Raises:
        Superseded: Delta skipped the write, because another run of the table had used the same counter.
    """
    for commit in log.commits if log else ():
        if commit.run and commit.run["run"] == stamp.run:
            if commit.run["by"] == stamp.by:
                return commit.version
            break
    raise Superseded(f"Writing {stamp.app}: run {stamp.run} was committed by another process")


def without_deleted(df: DataFrame, mode: Merge) -> DataFrame:
    """The rows of keys that aren't deleted, for a table that is written whole."""
    return df.where(f"NOT coalesce({mode.delete_when}, false)") if mode.delete_when else df


@contextmanager
def explained(table: Table) -> Iterator[None]:
    """Turns what Spark raises while a table is written into errors that say what happened and what to do.

    Raises:
        RuleFailed: a row broke a `fail` rule.
        Superseded: another writer committed first.
        SparkUnavailable: the engine went away.
    """
    from grpc import RpcError
    from pyspark.errors import PySparkException

    try:
        yield
    except RpcError as error:
        raise SparkUnavailable(f"Writing {table.key}: the Spark engine went away: {error}") from error
    except PySparkException as error:
        raise _explain(error, table) from error


def _explain(error: PySparkException, table: Table) -> Exception:
    text = str(error)
    if FAILED in text:
        rule, _, row = text.split(f"{FAILED} ", 1)[1].split("\n", 1)[0].partition(" ")
        row = row.split(" SQLSTATE", 1)[0]
        return RuleFailed(f"Writing {table.key}: rule {rule!r} is broken, nothing was written. The row: {row}", rule)
    if (error.getCondition() or "").startswith(_CONFLICTS):
        return Superseded(f"Writing {table.key}: another writer committed first ({error.getCondition()})")
    if lost_engine(error):
        return SparkUnavailable(f"Writing {table.key}: the Spark engine went away: {text.splitlines()[0]}")
    return error


def about_rows(error: PySparkException) -> bool:
    """The error came from reading or computing rows: no rule stopped it, no other writer, no lost connection."""
    conflict = (error.getCondition() or "").startswith(_CONFLICTS)
    return not (FAILED in str(error) or conflict or lost_engine(error))


def lost_engine(error: PySparkException) -> bool:
    """The error is the connection's, not the query's."""
    marks = ("StatusCode.UNAVAILABLE", "INVALID_HANDLE", "RETRIES_EXCEEDED", "Socket closed", "Connection refused")
    return any(mark in f"{error.getCondition()} {error}" for mark in marks)


def _stamped(df: DataFrame, stamp: Stamp) -> DataFrameWriter:
    return (
        df.write.format("delta")
        .option("txnAppId", stamp.app)
        .option("txnVersion", stamp.run)
        .option("userMetadata", stamp.metadata)
        .option("delta.enableChangeDataFeed", "true")
    )


@contextmanager
def _transaction(spark: SparkSession, stamp: Stamp) -> Iterator[None]:
    """SQL statements take the transaction from the session's settings."""
    for name, field_ in _TXN.items():
        spark.conf.set(name, str(getattr(stamp, field_)))
    try:
        yield
    finally:
        for name in _TXN:
            spark.conf.unset(name)
