"""Temperatures of a machine, one row for each five minutes.

The times are without a zone, and taken for UTC. The file has the hour from 2014-01-07 02:00 twice, with other readings:
the higher one of two is kept. The unit isn't published.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, between, drop, merge, reconciled, table, typed


@table(
    raw="bronze.temperatures",
    columns=[
        Column("measured_at", "timestamp", key=True),
        Column("temperature", "double", nullable=False),
    ],
    expect=[typed(), drop(between("temperature", -100, 1000))],
    checks=[reconciled()],
    write=merge(on="measured_at", newest="_ingested_at"),
)
def temperatures(raw: DataFrame) -> DataFrame:
    return raw.select(
        F.col("timestamp").alias("measured_at"), F.col("value").alias("temperature"), "_source", "_ingested_at"
    )
