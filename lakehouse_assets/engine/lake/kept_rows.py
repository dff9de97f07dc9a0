"""Rows computed once, though they are read often: kept by Spark or, where it can't, in a scratch Delta table."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake.capabilities import capabilities
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.engine.lake.stores import opened, remove
from lakehouse_assets.engine.lake.tables import read_rows, write_table

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import StructField

# So old a scratch table is that of a run which was killed.
LEFT_BEHIND = timedelta(days=2)
_DAY = "%Y-%m-%d"


@contextmanager
def persisted(rows: DataFrame, lake: Lake) -> Iterator[DataFrame]:
    """The rows, computed once and kept while they're used more often than that.

    They're handed out under a name, because PySpark can't join what was observed with itself.
    """
    spark, name = rows.sparkSession, f"lakehouse_kept_{uuid.uuid4().hex}"
    with _in_memory(rows) if capabilities(spark).persist else _in_scratch_table(rows, lake) as kept:
        kept.createOrReplaceTempView(name)
        try:
            yield spark.table(name)
        finally:
            spark.catalog.dropTempView(name)


@contextmanager
def _in_memory(rows: DataFrame) -> Iterator[DataFrame]:
    kept = rows.persist()
    try:
        kept.count()
        yield kept
    finally:
        kept.unpersist()


@contextmanager
def _in_scratch_table(rows: DataFrame, lake: Lake) -> Iterator[DataFrame]:
    day = datetime.now(UTC).strftime(_DAY)
    _sweep(lake)
    table = TableRef(f"{lake.scratch}/{day}/{uuid.uuid4().hex}", storage=lake.storage)
    try:
        # Names of columns that are written for no one else may have any character.
        write_table(rows, table, "append", {"delta.columnMapping.mode": "name"})
        yield read_rows(rows.sparkSession, table).select(*map(_as_it_was, rows.schema.fields))
    finally:
        remove(table.path)


def _as_it_was(field: StructField) -> Column:
    """A column as it was written; one without a type is nulls alone, and Delta leaves it out."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import NullType

    missing = isinstance(field.dataType, NullType)
    return F.lit(None).alias(field.name) if missing else F.col("`{}`".format(field.name.replace("`", "``")))


def _sweep(lake: Lake) -> None:
    """Remove what runs have left behind that were killed."""
    store, folder = opened(lake.scratch)
    oldest = (datetime.now(UTC) - LEFT_BEHIND).strftime(_DAY)
    for day in store.ls(folder, detail=False) if store.exists(folder) else ():
        if day.rstrip("/").rpartition("/")[2] < oldest:
            store.rm(day, recursive=True)
