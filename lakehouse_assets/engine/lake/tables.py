"""Spark's reads and writes of tables: by name where a catalog knows the table, else by path.

Nothing else tells Spark where a table is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.lake.capabilities import capabilities
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.places import TableRef

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

# The times that 64 bits of nanoseconds hold, as which Arrow reads those that Spark writes by default, in INT96.
NANOSECONDS = ("1677-09-21 00:12:44Z", "2262-04-11 23:47:16Z")
OUT_OF_RANGE = (
    "before 1678 or after 2262, which this engine would write so that delta-rs reads another; make the column a date "
    "or timestamp_ntz, or compute the table by Cluster(…)"
)


def read_rows(spark: SparkSession, table: TableRef, version: int | None = None) -> DataFrame:
    """The rows of a table, as they are or as they were at a version."""
    return read_table(spark, table, {} if version is None else {"versionAsOf": str(version)})


def read_changes(spark: SparkSession, table: TableRef, after: int, to: int) -> DataFrame:
    """The change feed of a table, from the version behind `after` to the version `to`."""
    bounds = {"startingVersion": str(after + 1), "endingVersion": str(to)}
    return read_table(spark, table, {"readChangeFeed": "true", **bounds})


def read_table(spark: SparkSession, table: TableRef, options: Mapping[str, str]) -> DataFrame:
    """What Delta reads of a table with some options."""
    reader = spark.read.format("delta").options(**options)
    return reader.table(_quoted(table)) if in_catalog(spark, table) else reader.load(table.path)


def in_sql(spark: SparkSession, table: TableRef) -> str:
    """A table as SQL statements name it."""
    return _quoted(table) if in_catalog(spark, table) else f"delta.`{table.path}`"


def write_table(
    df: DataFrame, table: TableRef, mode: Literal["append", "overwrite"], options: Mapping[str, str]
) -> None:
    """Add rows, or put them in the place of all there are; the columns of the table follow those of the rows."""
    from pyspark.sql import functions as F

    follow = {"mergeSchema" if mode == "append" else "overwriteSchema": "true"}
    df = _in_range(df)
    writer = df.write.format("delta").mode(mode).options(**options, **follow)
    if not in_catalog(df.sparkSession, table):
        writer.save(table.path)
        in_catalog(df.sparkSession, table)
    elif mode == "append":
        writer.saveAsTable(_quoted(table))
    else:  # by saveAsTable it would be another table, without the history of this one
        df.writeTo(_quoted(table)).options(**options, **follow).overwrite(F.lit(True))


def replace_rows(df: DataFrame, table: TableRef, where: str, options: Mapping[str, str]) -> None:
    """Put rows in the place of those that meet a condition; columns that the table doesn't have yet are added to it."""
    from pyspark.sql import functions as F

    df, options = _in_range(df), {**options, "mergeSchema": "true"}
    if in_catalog(df.sparkSession, table):
        df.writeTo(_quoted(table)).options(**options).overwrite(F.expr(where))
    else:
        df.write.format("delta").mode("overwrite").options(**options, replaceWhere=where).save(table.path)


def _in_range(df: DataFrame) -> DataFrame:
    """The rows; one with a time that other readers would take for another ends the write, where Spark can't be told to
    write times as they all read them (see `resources/spark_session.py`). Of a value within a value nobody looks.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.types import TimestampType

    if capabilities(df.sparkSession).settings:
        return df
    times = [f for f in df.schema.fields if isinstance(f.dataType, TimestampType)]

    def checked(name: str) -> Column:
        column, why = F.col("`{}`".format(name.replace("`", "``"))), F.lit(f"a time in {name} is {OUT_OF_RANGE}: ")
        stop = F.raise_error(F.concat(why, column.cast("string"))).cast("timestamp")
        inside = column.isNull() | column.between(*(F.lit(at).cast("timestamp") for at in NANOSECONDS))
        return F.when(inside, column).otherwise(stop)

    return (
        df if not times else df.withColumns({f.name: checked(f.name).alias(f.name, metadata=f.metadata) for f in times})
    )


def _quoted(table: TableRef) -> str:
    return ".".join(f"`{part}`" for part in table.name.split("."))


def in_catalog(spark: SparkSession, table: TableRef) -> bool:
    """Whether Spark finds the table by its name. One that is at its path, and in no catalog yet, is put into it."""
    if not table.name:
        return False
    if not spark.catalog.tableExists(_quoted(table)):
        if read_log(table) is None:
            return False
        schema, path = _quoted(table).rpartition(".")[0], table.path.replace("'", "\\'")
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}").collect()
        spark.sql(f"CREATE TABLE IF NOT EXISTS {_quoted(table)} USING delta LOCATION '{path}'").collect()
    _require_at(spark, table)
    return True


@lru_cache(maxsize=10_000)
def _require_at(spark: SparkSession, table: TableRef) -> None:
    """Refuse a table of the name that is elsewhere, such as that of another lake.

    Raises:
        LakehouseError: that.
    """
    found = spark.sql(f"DESCRIBE DETAIL {_quoted(table)}").select("location").collect()[0][0]
    if found.removeprefix("file:").rstrip("/") != table.path.rstrip("/"):
        raise LakehouseError(
            f"Using the table {table.name}: the catalog has it at {found}, and this lake at {table.path}; give this "
            "lake a catalog of its own (LAKEHOUSE_CATALOG), or drop that table from the catalog"
        )
