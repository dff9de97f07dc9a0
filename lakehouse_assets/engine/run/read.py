"""Step 1: the rows a run has to take in, as one DataFrame per input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakehouse_assets.engine.run.plan import Read

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_CHANGE_COLUMNS = ("_change_type", "_commit_version", "_commit_timestamp")


def read_inputs(spark: SparkSession, reads: Mapping[str, Read]) -> dict[str, DataFrame]:
    """Parameter name → its rows: a whole table at a pinned version, or what was added or changed since another.

    Each is aliased with its table's key, by which the lineage of columns finds it again in the query plan.
    """
    return {parameter: _read(spark, read).alias(read.key) for parameter, read in reads.items()}


def _read(spark: SparkSession, read: Read) -> DataFrame:
    if read.after is None:
        return spark.read.format("delta").option("versionAsOf", read.to).load(read.path)
    changes = (
        spark.read.format("delta")
        .option("readChangeFeed", "true")
        .option("startingVersion", read.after + 1)
        .option("endingVersion", read.to)
        .load(read.path)
    )
    # The planner lets no deletes through to here, and an update's old image is not news.
    return changes.where("_change_type <> 'update_preimage'").drop(*_CHANGE_COLUMNS)
