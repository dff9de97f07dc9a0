"""Planes by tail number, a row for each state of one since the register told of it (SCD 2)."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, between, drop, history, not_null, reconciled, table, typed, warn


@table(
    raw="bronze.planes",
    columns=[
        Column("tail_number", "string", key=True),
        Column("year_built", "int"),
        Column("type", "string"),
        Column("manufacturer", "string"),
        Column("model", "string"),
        Column("engines", "int"),
        Column("seats", "int"),
        Column("cruising_speed_mph", "int", doc="Known for few planes."),
        Column("engine", "string", doc="Kind of engine, as Turbo-fan."),
    ],
    expect=[
        typed(),
        drop(between("seats", 1, 900)),
        warn(not_null("year_built")),
    ],
    checks=[reconciled()],
    write=history(on="tail_number", newest="_ingested_at"),
)
def planes(raw: DataFrame) -> DataFrame:
    return raw.select(
        F.col("tailnum").alias("tail_number"),
        F.col("year").alias("year_built"),
        "type",
        "manufacturer",
        "model",
        "engines",
        "seats",
        F.col("speed").alias("cruising_speed_mph"),
        "engine",
        "_source",
        "_ingested_at",
    )
