"""All 19 airlines tables, from landed files to gold on a fresh lake, beside a script that does the same by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

from benchmarks import by_hand
from benchmarks.measure import Bench, Row, timed
from lakehouse_assets.domains.airlines.feed import land
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.run.update import update
from lakehouse_assets.environment import open_lakehouse

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

# When a row was read differs between any two builds; the others are what only our bronze has.
# A history says from when by the time of ingestion, which no two builds share.
ASIDE = {"_ingested_at", "_batch", "_rescued", "valid_from"}
DAYS = 20  # of flights and weather, when trying out


def run(bench: Bench) -> list[Row]:
    landing = bench.folder / "build" / "landing"
    land(landing / "airlines")
    if bench.small:
        _keep_few(landing / "airlines")
    lakehouse, spark = _airlines(), bench.engine.session()
    lakes = {name: _fresh(bench.folder / "build", landing, name) for name in ("ours", "by_hand")}

    def ours() -> None:
        context = Context(lakehouse, next(lakes["ours"]), bench.engine.session)
        for table in lakehouse.tables.values():
            update(table, context)

    def hand() -> None:
        by_hand.build(spark, lakehouse.tables.values(), next(lakes["by_hand"]))

    medians = bench.pair(timed(ours), timed(hand))
    rows = _compare(spark, lakehouse, bench.folder / "build")
    seen = f"{len(lakehouse.tables)} tables with equal contents on both sides, {rows:,} rows in all"
    return [Row("airlines from files to gold", *medians, "at most 1.15", seen)]


def _airlines() -> Lakehouse:
    whole = open_lakehouse(strict=True)
    tables = {key: t for key, t in whole.tables.items() if t.domain == "airlines"}
    return Lakehouse({"airlines": whole.domains["airlines"]}, tables)


def _keep_few(folder: Path) -> None:
    for name in ("flights", "weather"):
        for file in sorted((folder / name).iterdir())[DAYS:]:
            file.unlink()


def _fresh(folder: Path, landing: Path, name: str) -> Iterator[Lake]:
    """Lakes with nothing in them, one for each build; the one before is deleted, its place is always the same."""
    for _ in count():
        root = folder / name
        shutil.rmtree(root, ignore_errors=True)
        yield Lake(str(root), str(landing))


def _compare(spark: SparkSession, lakehouse: Lakehouse, folder: Path) -> int:
    """The number of rows, once the tables of both sides are found to be equal."""
    total = 0
    for key in lakehouse.tables:
        ours, hand = (_digest(spark, Lake(str(folder / side), ""), key) for side in ("ours", "by_hand"))
        assert ours == hand, f"{key} differs: {ours} and by hand {hand}"
        total += ours[1]
    return total


def _digest(spark: SparkSession, lake: Lake, key: str) -> tuple[list[str], int, object]:
    """Columns, number of rows, and the sum of the rows' hashes."""
    from pyspark.sql import functions as F

    rows = spark.read.format("delta").load(lake.table(key).path)
    columns = sorted(set(rows.columns) - ASIDE)
    hashed = F.sum(F.xxhash64(*columns).cast("decimal(38,0)"))
    found = rows.agg(F.count(F.lit(1)).alias("rows"), hashed.alias("hash")).first()
    assert found is not None
    return columns, found["rows"], found["hash"]
