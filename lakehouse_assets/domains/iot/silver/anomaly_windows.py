"""The times in which the temperature was not as it should be, as people who know the machine labelled them."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import Column, drop, merge, table, typed


@table(
    raw="bronze.anomaly_windows",
    columns=[
        Column("begins_at", "timestamp", key=True),
        Column("ends_at", "timestamp", nullable=False, doc="Included."),
    ],
    expect=[typed(), drop("begins_at < ends_at")],
    write=merge(on="begins_at", newest="_ingested_at"),
)
def anomaly_windows(raw: DataFrame) -> DataFrame:
    return raw.select("begins_at", "ends_at", "_source", "_ingested_at")
