"""A point-in-time join of a million rows with a million features, beside the one by intervals that people write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import Bench, Row, timed
from lakehouse_assets.engine import as_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SKEW = {"20,000 keys of one size": 1, "20,000 keys, of which one has a seventh of the rows": 5}
# Each feature counts until a newer one is known; the rows are joined with these intervals.
INTERVALS = """
WITH best AS (
    SELECT entity, greatest(event, known) AS since,
           max(struct(event, known, x, y)) OVER (PARTITION BY entity ORDER BY greatest(event, known)) AS best
    FROM features
), known AS (
    SELECT entity, since, best, lead(since) OVER (PARTITION BY entity ORDER BY since) AS until FROM best
)
SELECT r.*, best.x, best.y FROM asked r LEFT JOIN known k
ON r.entity = k.entity AND r.at >= k.since AND (k.until IS NULL OR r.at < k.until)
"""
# Where a key is large, people put rows and features together, sort them, and take the last one known.
UNION = """
SELECT row.*, best.x, best.y FROM (
    SELECT row, max(best) OVER (PARTITION BY entity ORDER BY at, kind
                                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS best
    FROM (SELECT entity, at, 1 AS kind, struct(*) AS row, NULL AS best FROM asked
          UNION ALL
          SELECT entity, greatest(event, known), 0, NULL, struct(event, known, x, y) FROM features)
) WHERE row IS NOT NULL
"""


def run(bench: Bench) -> list[Row]:
    spark, number = bench.engine.session(), bench.size(1_000_000, 10_000)
    found = []
    for what, skew in SKEW.items():
        asked, features = _data(bench, spark, number, skew)
        by_hand = INTERVALS if skew == 1 else UNION
        sides = {"ours": lambda a=asked, f=features: _ours(a, f), "hand": lambda q=by_hand: spark.sql(q)}
        sums = {name: _sum(side()) for name, side in sides.items()}
        assert sums["ours"] == sums["hand"], sums
        medians = bench.pair(timed(lambda s=sides: _sum(s["ours"]())), timed(lambda s=sides: _sum(s["hand"]())))
        seen = f"by hand: {'intervals by lead(), joined by range' if skew == 1 else 'union, sorted, running maximum'}"
        found.append(Row(f"{number:,} rows and as many features, {what}", *medians, "at most 1.1", seen))
    return found


def _ours(asked: DataFrame, features: DataFrame) -> DataFrame:
    return as_of(asked, features, on="entity", at="at", event_time="event", known_time="known")


def _sum(rows: DataFrame) -> tuple[object, ...]:
    """All that the join found, so that none of it is left out; the same for both."""
    (found,) = rows.selectExpr("count(*)", "sum(bigint(x * 1e6) % 1000 + id)", "count(y)").collect()
    return tuple(found)


def _data(bench: Bench, spark: SparkSession, number: int, skew: int) -> tuple[DataFrame, DataFrame]:
    """Rows and features over a year, stored; most features are known within a day, and come in any order."""
    seconds = "timestamp_seconds(1.7e9 + int(rand({}) * 3e7))"
    entity = f"int(pow(rand({{}}), {skew}) * 20000) AS entity"
    asked = spark.range(number).selectExpr("id", entity.format(1), f"{seconds.format(2)} AS at")
    events = spark.range(number).selectExpr(entity.format(3), f"{seconds.format(4)} AS event", "rand(5) AS late",
                                            "rand(6) AS x", "rand(7) AS y")  # fmt: skip
    known = "timestampadd(SECOND, int(late * late * 1e5), event) AS known"
    features = events.selectExpr("entity", "event", known, "x", "y")
    for name, rows in {"asked": asked, "features": features}.items():
        path = str(bench.folder / f"as_of_{name}_{skew}")
        rows.write.parquet(path)
        spark.read.parquet(path).createOrReplaceTempView(name)
    return spark.table("asked"), spark.table("features")
