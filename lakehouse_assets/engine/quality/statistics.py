"""How many rows and nulls a table had in its last versions, told by the statistics in its Delta log.

What a check of a whole table reads as `{statistics}`: a row for each version that changed data and each of its columns.

| column | meaning |
|---|---|
| version | the Delta version; rows that are to take the table's place have the next one |
| rows | how many rows the table had |
| added | how many more than in the version before; null where that isn't known |
| column | a column of the table, nested ones as `a.b` |
| nulls | how many of the rows have a null in it; null where Delta keeps no statistics of it (beyond 32 columns) |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_rs import delta_table
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

VERSIONS = 11
Nulls = Mapping[str, int | None]
_SCHEMA = "version bigint, rows bigint, added bigint, column string, nulls bigint"


def statistics(table: Table, lake: Lake, spark: SparkSession, view: str, to_be: str = "") -> None:
    """Make the statistics a temporary view; those of the view `to_be` come last, as what is to be."""
    log = read_log(lake.table(table.key))
    known = list(_stored(log, lake.table(table.key))) if log else []
    if to_be:
        known.append((log.version + 1 if log else 0, *_of_rows(spark, to_be)))
    found = []
    for before, (version, rows, nulls) in zip([None, *known], known, strict=False):
        added = None if before is None else rows - before[1]
        found += [(version, rows, added, column, number) for column, number in nulls.items()]
    spark.createDataFrame(found, _SCHEMA).createOrReplaceTempView(view)


def _stored(log: TableLog, place: TableRef) -> Iterator[tuple[int, int, Nulls]]:
    """The version, rows and nulls by column of the last versions, oldest first."""
    from deltalake.exceptions import DeltaError

    last = [c.version for c in log.commits if c.changes_data][:VERSIONS]
    for version in reversed(last):
        try:
            yield version, *_counts(place, log.id, version)
        except DeltaError:  # the log no longer reaches back to it
            continue


@lru_cache(maxsize=1000)
def _counts(place: TableRef, _id: str, version: int) -> tuple[int, Nulls]:
    """Rows and nulls of a version, which stay what they are for as long as the table is the one with this id."""
    log = TableLog(delta_table(place, version))
    return log.rows, log.nulls


def _of_rows(spark: SparkSession, view: str) -> tuple[int, Nulls]:
    from pyspark.sql import functions as F

    made = spark.table(view)
    counts = made.agg(F.count(F.lit(1)), *(F.count_if(F.col(f"`{c}`").isNull()) for c in made.columns)).first()
    assert counts is not None  # noqa: S101  (an aggregate without groups has one row)
    numbers: list[Any] = list(counts)
    return numbers[0], dict(zip(made.columns, numbers[1:], strict=True))
