"""10,000 changes into 3 million rows, in any order, beside a MERGE by hand that lets the last to arrive win."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Bench, Row, timed
from lakehouse_assets.engine.run.update import update
from lakehouse_assets_tests.project import Project

SILVER = """
@table(
    raw="bronze.events",
    columns=[Column("id", "bigint", key=True), Column("at", "bigint"), Column("amount", "bigint"),
             Column("gone", "boolean")],
    write=merge(on="id", newest="at", delete_when="gone"),
)
def current(raw: DataFrame) -> DataFrame:
    return raw.select("id", "at", "amount", "gone")
"""
MERGE = """
MERGE INTO delta.`{path}` t USING changes s ON t.id = s.id
WHEN MATCHED AND s.gone THEN DELETE WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED AND NOT s.gone THEN INSERT *
"""


def run(bench: Bench) -> list[Row]:
    rows, changes = bench.size(3_000_000, 50_000), bench.size(10_000, 1_000)
    project, batches = _project(bench, rows), _deliveries(bench.folder / "merge", rows, changes)
    by_hand = str(bench.folder / "merge" / "by_hand")
    spark = bench.engine.session()
    stored = spark.read.format("delta").load(project.lake.table("shop.silver.current").path)
    stored.write.format("delta").option("delta.enableChangeDataFeed", "true").save(by_hand)

    def ours() -> float:
        next(batches)
        project.run("bronze.events")
        env = project.context()
        return timed(lambda: update(env.lakehouse.tables["shop.silver.current"], env))()

    def hand() -> None:
        version = project.log("bronze.events").version
        feed = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", version)
        feed.load(project.lake.table("shop.bronze.events").path).select(
            "id", "at", "amount", "gone"
        ).createOrReplaceTempView("changes")
        spark.sql(MERGE.format(path=by_hand)).collect()

    medians = bench.pair(ours, timed(hand))
    seen = "a fifth of them late, a tenth deletions, with rules, quarantine and state of the deleted"
    return [Row(f"{changes:,} changes into {rows:,} rows", *medians, "at most 1.5", seen)]


def _project(bench: Bench, rows: int) -> Project:
    folder = bench.folder / "merge"
    sys.path.insert(0, str(folder))
    project = Project(folder, "merged_domains", bench.engine)
    project.bronze("events", 'format="parquet"')
    project.table("silver.current", SILVER)
    _land(folder, "0", range(rows), [1000] * rows, [False] * rows)
    project.run("bronze.events")
    project.run("silver.current")
    return project


def _deliveries(folder: Path, rows: int, changes: int) -> Iterator[None]:
    """Each time it's asked for the next, a file of changes lands, to keys that are there but for a few."""
    random = Random(1)  # noqa: S311
    for number in count(1):
        keys = random.sample(range(rows + rows // 100), changes)
        times = [random.randrange(500) if random.random() < 0.2 else 1000 + number for _ in keys]
        _land(folder, str(number), keys, times, [random.random() < 0.1 for _ in keys])
        yield


def _land(folder: Path, name: str, keys: range | list[int], times: list[int], gone: list[bool]) -> None:
    path = folder / "landing" / "shop" / "events" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = pa.array(keys, pa.int64())
    pq.write_table(pa.table({"id": ids, "at": pa.array(times, pa.int64()), "amount": ids, "gone": gone}), path)
