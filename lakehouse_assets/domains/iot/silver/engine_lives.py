"""How many cycles were left to each engine of a test when its readings were cut off: the truth of C-MAPSS."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, drop, matches, merge, table, typed


@table(
    raw="bronze.engine_lives",
    columns=[
        Column("fleet", "string", key=True, doc="The set of engines, as FD001."),
        Column("engine", "int", key=True, doc="Its number in the test of its fleet."),
        Column("cycles_left", "int", nullable=False),
    ],
    expect=[typed(), drop(matches("fleet", r"^FD\d{3}$")), drop("cycles_left > 0")],
    write=merge(on=["fleet", "engine"], newest="_ingested_at"),
)
def engine_lives(raw: DataFrame) -> DataFrame:
    return raw.select(
        F.regexp_extract("_source", r"(FD\d{3})[^/]*$", 1).alias("fleet"),
        F.col("line").alias("engine"),
        "cycles_left",
        "_source",
        "_ingested_at",
    )
