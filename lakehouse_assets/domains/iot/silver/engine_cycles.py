"""Cycles of simulated jet engines, one row each, with settings, sensors, and how many cycles were left to the engine.

Engines to train by run until they fail; those of the test are cut off before, and how long they'd have lived is told
apart. Engines of the two have equal numbers and are others. Seven columns of FD001 never change.
"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, drop, lookup, matches, not_null, one_of, table, typed, warn

SETTINGS = [f"setting_{n}" for n in range(1, 4)]
SENSORS = [f"sensor_{n}" for n in range(1, 22)]


@table(
    raw="bronze.engine_cycles",
    lives=lookup("silver.engine_lives"),
    columns=[
        Column("fleet", "string", key=True, doc="The set of engines, as FD001."),
        Column("split", "string", key=True, doc="train or test."),
        Column("engine", "int", key=True, doc="Its number in fleet and split."),
        Column("cycle", "int", key=True, doc="Counted from 1: a flight."),
        *(Column(name, "double") for name in [*SETTINGS, *SENSORS]),
        Column("cycles_left", "int", doc="Until the engine fails: the label. Null where the truth hasn't landed."),
    ],
    expect=[
        typed(),
        drop(one_of("split", "train", "test")),
        drop(matches("fleet", r"^FD\d{3}$")),
        drop("cycle > 0"),
        drop(f"{' + '.join([*SETTINGS, *SENSORS])} IS NOT NULL", name="has_all_readings"),
        warn(not_null("cycles_left")),
    ],
)
def engine_cycles(raw: DataFrame, lives: DataFrame) -> DataFrame:
    name = F.regexp_extract("_source", r"(train|test)_FD\d{3}[^/]*$", 1)
    fleet = F.regexp_extract("_source", r"(FD\d{3})[^/]*$", 1)
    cycles = raw.withColumns({"fleet": fleet, "split": name})
    known = lives.select("fleet", F.lit("test").alias("split"), F.col("engine").cast("string"), "cycles_left")
    last = F.max(F.expr("try_cast(cycle AS int)")).over(Window.partitionBy("fleet", "split", "engine"))
    at_end = F.when(F.col("split") == "train", F.lit(0)).otherwise(F.col("cycles_left"))
    left = last - F.expr("try_cast(cycle AS int)") + at_end
    joined = cycles.join(F.broadcast(known), ["fleet", "split", "engine"], "left")
    return joined.select(
        "fleet", "split", "engine", "cycle", *SETTINGS, *SENSORS, left.alias("cycles_left"), "_source", "_ingested_at"
    )
