"""The airlines tables as a script of PySpark and Delta would build them: no rules, quarantine, ledger or metadata.

The transforms are the domain's own functions and queries, so that both sides ask Spark for the same work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from lakehouse_assets.engine.spec.modes import VALIDITY, History, Merge
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame, SparkSession

    from lakehouse_assets.engine.lake.places import Lake

# What the rules find in these data, as a person who has seen it would put it: one gust of 1,048 mph.
KNOWN_BAD = {"airlines.silver.weather": "wind_speed_mph > 253"}


def build(spark: SparkSession, tables: Iterable[Table], lake: Lake) -> None:
    """Read the landed files into bronze, and go on to silver and gold; `tables` has upstreams before their readers."""
    for table in tables:
        rows = _landed(spark, table, lake) if table.source is not None else _made(spark, table, lake)
        writer = rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
        writer.option("delta.enableChangeDataFeed", "true").save(lake.table(table.key).path)


def _landed(spark: SparkSession, table: Table, lake: Lake) -> DataFrame:
    """All cells as text. `enforceSchema` off has Spark compare each file's header with the first one's."""
    read = spark.read.option("header", True).option("enforceSchema", False).option("nullValue", "NA")
    rows = read.csv(f"{lake.landing_folder(table.domain)}/{table.name}")
    source = F.regexp_replace(rows.metadataColumn("_metadata")["file_path"], "^file:/+", "/")
    return rows.select("*", source.alias("_source"), F.current_timestamp().alias("_ingested_at"))


def _made(spark: SparkSession, table: Table, lake: Lake) -> DataFrame:
    inputs = {
        parameter: spark.read.format("delta").load(lake.table(f"{table.domain}.{upstream.table}").path)
        for parameter, upstream in table.upstreams.items()
    }
    made = _query(spark, table.sql, inputs) if table.sql is not None else table(**inputs)
    typed = made.select(*(F.col(c.name).cast(c.type) for c in table.columns), *_system(made))
    typed = typed.where(f"NOT coalesce({KNOWN_BAD[table.key]}, false)") if table.key in KNOWN_BAD else typed
    match table.write:
        case Merge() as mode:
            return _latest(typed, mode)
        case History() as mode:
            return _versions(typed, mode)
        case _:
            return typed


def _query(spark: SparkSession, sql: str, inputs: dict[str, DataFrame]) -> DataFrame:
    for name, rows in inputs.items():
        rows.createOrReplaceTempView(name)
    return spark.sql(sql)


def _system(made: DataFrame) -> list[str]:
    return [c for c in made.columns if c.startswith("_")]


def _latest(rows: DataFrame, mode: Merge) -> DataFrame:
    order = Window.partitionBy(*mode.on).orderBy(*(F.col(c).desc() for c in mode.newest))
    return rows.withColumn("nth", F.row_number().over(order)).where("nth = 1").drop("nth")


def _versions(rows: DataFrame, mode: History) -> DataFrame:
    """A version for each row: those that repeat the one before aren't looked for."""
    start, end, current = VALIDITY
    order = Window.partitionBy(*mode.on).orderBy(mode.newest[0])
    until = F.lead(mode.newest[0]).over(order)
    timed = rows.withColumn(start, F.col(mode.newest[0])).withColumn(end, until)
    return timed.withColumn(current, F.col(end).isNull())
