"""A program for an environment of another package, whose SCD 2 writer it gives four batches; ours isn't there.

Its arguments are the package's name, the folder of the batches, one it may fill, the number of rounds, and Spark's
settings as JSON. Its last line is JSON: for each round how many keys are right, and the seconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BATCHES = 4
# A version as we count it: key, value, the days of January 2024 on which it starts and ends, and if it's the current.
Version = tuple[int, str, int, int | None, bool]
Write = Callable[["DataFrame"], object]


def right_keys(versions: Iterable[Version]) -> int:
    """The keys that have exactly four versions: the values in order, each from its day to the next one's."""
    wanted = [(f"v{day}", day, day + 1 if day < BATCHES else None, day == BATCHES) for day in range(1, BATCHES + 1)]
    found = groupby(sorted(versions, key=lambda v: (v[0], v[2], repr(v))), key=lambda v: v[0])
    return sum([version[1:] for version in key] == wanted for _, key in found)


def laktory(_: SparkSession, path: str) -> Write:
    """As its page on change data capture has it; it makes the table."""
    from laktory.models import FileDataSink  # type: ignore[import-not-found]

    options = {"scd_type": 2, "primary_keys": ["id"], "order_by": "at"}
    sink = FileDataSink(path=path, format="DELTA", mode="MERGE", merge_cdc_options=options)
    write: Write = sink.write
    return write


def koheesio(spark: SparkSession, path: str) -> Write:
    """As its own test has it: the table is there, and the column with the time isn't stored a second time."""
    from koheesio.spark.delta import DeltaTableStep  # type: ignore[import-not-found]
    from koheesio.spark.writers.delta.scd import SCD2DeltaTableWriter  # type: ignore[import-not-found]
    from pyspark.sql import functions as F

    validity = "STRUCT<effective_time: TIMESTAMP, end_time: TIMESTAMP, is_current: BOOLEAN>"
    table = Path(path).name
    spark.sql(f"CREATE TABLE {table} (id BIGINT, value STRING, _scd2 {validity}) USING delta LOCATION '{path}'")
    columns = {"scd2_columns": ["value"], "scd2_timestamp_col": F.col("at"), "exclude_columns": ["at"]}
    writer = SCD2DeltaTableWriter(table=DeltaTableStep(table=table), merge_key="id", **columns)
    write: Write = writer.write
    return write


def mack(spark: SparkSession, path: str) -> Write:
    """As its README has it: the table is there, with the columns of its convention."""
    from delta.tables import DeltaTable
    from mack import type_2_scd_upsert  # type: ignore[import-not-found]

    columns = "id BIGINT, value STRING, is_current BOOLEAN, effective_time TIMESTAMP, end_time TIMESTAMP"
    spark.createDataFrame([], columns).write.format("delta").save(path)
    target = DeltaTable.forPath(spark, path)
    return lambda rows: type_2_scd_upsert(target, rows.withColumnRenamed("at", "effective_time"), "id", ["value"])


# By package: what makes its writer, and what it calls the start, the end and the current version.
PEERS: dict[str, tuple[Callable[[SparkSession, str], Write], str, str, str]] = {
    "laktory": (laktory, "__start_at", "__end_at", "__end_at IS NULL"),
    "koheesio": (koheesio, "_scd2.effective_time", "_scd2.end_time", "_scd2.is_current"),
    "mack": (mack, "effective_time", "end_time", "is_current"),
}


def a_round(spark: SparkSession, name: str, batches: Path, path: str) -> tuple[int, float]:
    """The right keys, and the seconds from the first file to the last commit."""
    open_writer, start, end, current = PEERS[name]
    write = open_writer(spark, path)
    begun = time.perf_counter()
    for number in range(BATCHES):
        write(spark.read.parquet(str(batches / f"{number}.parquet")))
    seconds = time.perf_counter() - begun
    rows = spark.read.format("delta").load(path)
    rows = rows.selectExpr("id", "value", f"day({start})", f"day({end})", current)
    return right_keys([(r[0], r[1], r[2], r[3], r[4]) for r in rows.collect()]), seconds


def main(name: str, batches: str, scratch: str, rounds: str, settings: str) -> None:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.config("spark.sql.warehouse.dir", f"{scratch}/warehouse")
    for key, value in json.loads(settings).items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    done = [a_round(spark, name, Path(batches), f"{scratch}/{name}_{number}") for number in range(int(rounds))]
    spark.stop()
    print(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
