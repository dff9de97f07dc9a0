"""What a table remembers beyond its rows, in a Delta table beside it, so that what arrives late finds its place.

A `merge` remembers which keys were deleted and when, a `history` every event. It's written after the table, under the
transaction of the same run; a run that ended in between is completed by the next one (see materialize.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_assets.engine.delta_log import read_log
from lakehouse_assets.engine.lake import Lake
from lakehouse_assets.engine.spec import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def recall(spark: SparkSession, table: Table, lake: Lake) -> DataFrame | None:
    """What is remembered; None if nothing was yet."""
    path = lake.memory(table.key)
    return None if read_log(path, lake.storage) is None else spark.read.format("delta").load(path)


def remembered(table: Table, lake: Lake) -> int:
    """The last run whose part is remembered."""
    log = read_log(lake.memory(table.key), lake.storage)
    return log.transaction(table.key) if log else 0


def remember(rows: DataFrame, table: Table, lake: Lake, run: int, *, fresh: bool) -> None:
    """Add a run's part, unless it's there; `fresh` forgets what was before."""
    writer = rows.write.format("delta").option("txnAppId", table.key).option("txnVersion", run)
    schema = "overwriteSchema" if fresh else "mergeSchema"
    writer.option(schema, "true").mode("overwrite" if fresh else "append").save(lake.memory(table.key))
