"""5,000 small CSV files into a new bronze table, exactly once, beside one Spark read of their folder into Delta."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path

from pyspark.sql import functions as F

from benchmarks.measure import Bench, Row, timed
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.run.update import update
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets.environment import open_lakehouse

FOLDERS = 50
HEADER = "origin,time_hour,temp,wind_speed,visib\n"
ROWS = "".join(f"JFK,2013-01-01T{hour:02}:00:00Z,{hour},10.35702,10\n" for hour in range(20))


def run(bench: Bench) -> list[Row]:
    number, folder = bench.size(5_000, 500), bench.folder / "ingest"
    lakehouse = open_lakehouse(strict=True)
    table = replace(lakehouse.tables["airlines.bronze.weather"], inputs={"landed": files("weather/*/*.csv")})
    landing, turn, spark = folder / "landing", count(), bench.engine.session()
    _land(landing / "airlines" / "weather", number)

    def ours() -> None:
        lake = Lake(str(folder / f"ours{next(turn)}"), str(landing))
        outcome = update(table, Context(lakehouse, lake, bench.engine.session))
        assert outcome.files == {"done": number}, outcome.files

    def one_read() -> None:
        rows = spark.read.option("header", "true").csv(f"{landing}/airlines/weather/*/*.csv")
        named = rows.select("*", F.col("_metadata.file_path").alias("_source"))
        named.write.format("delta").save(str(folder / f"hand{next(turn)}"))

    medians = bench.pair(timed(ours), timed(one_read))
    shutil.rmtree(folder)
    seen = f"{number * 20:,} rows; ours with ledger, rescue column and rows counted by file"
    return [Row(f"{number:,} files of 20 rows into bronze", *medians, "at most 1.3", seen)]


def _land(folder: Path, number: int) -> None:
    for at in range(number):
        path = folder / f"{at % FOLDERS:02}" / f"{at:05}.csv"
        if at < FOLDERS:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + ROWS)
