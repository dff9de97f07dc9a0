"""Airports, one row each, with their place and time zone."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, between, drop, merge, not_null, table, typed, warn


@table(
    raw="bronze.airports",
    columns=[
        Column("airport", "string", key=True, doc="FAA code."),
        Column("name", "string", nullable=False),
        Column("latitude", "double", doc="Degrees, north positive."),
        Column("longitude", "double", doc="Degrees, east positive."),
        Column("altitude_feet", "int"),
        Column("time_zone", "string", doc="IANA name, as America/New_York."),
    ],
    expect=[
        typed(),
        drop(between("latitude", -90, 90)),
        drop(between("longitude", -180, 180)),
        warn(not_null("time_zone")),
    ],
    write=merge(on="airport", newest="_ingested_at"),
)
def airports(raw: DataFrame) -> DataFrame:
    return raw.select(
        F.col("faa").alias("airport"),
        "name",
        F.col("lat").alias("latitude"),
        F.col("lon").alias("longitude"),
        F.col("alt").alias("altitude_feet"),
        F.col("tzone").alias("time_zone"),
        "_source",
        "_ingested_at",
    )
