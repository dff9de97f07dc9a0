"""Carriers by their two-character code, a row for each name one has had since the feed told of it (SCD 2)."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import Column, history, table


@table(
    raw="bronze.carriers",
    columns=[
        Column("carrier", "string", key=True),
        Column("name", "string", nullable=False),
    ],
    write=history(on="carrier", newest="_ingested_at"),
)
def carriers(raw: DataFrame) -> DataFrame:
    return raw.select("carrier", "name", "_source", "_ingested_at")
