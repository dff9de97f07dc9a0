"""A program that starts an engine, asks it a query, has it write and read a table, and says when it had each."""

from __future__ import annotations

import json
import tempfile
import time

from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import read_settings


def seconds(engine: SparkResource, table: str) -> list[float]:
    """From the start to an engine that answers, to the result of a query, and to the rows of a new Delta table."""
    begun, seen = time.perf_counter(), []
    spark = engine.session()
    seen.append(time.perf_counter() - begun)
    assert len(spark.range(1000).selectExpr("id % 7 AS k").groupBy("k").count().collect()) == 7
    seen.append(time.perf_counter() - begun)
    spark.range(1000).selectExpr("id", "string(id) AS text").write.format("delta").save(table)
    assert spark.read.format("delta").load(table).where("text LIKE '%7'").count() == 100
    seen.append(time.perf_counter() - begun)
    return seen


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(seconds(SparkResource.from_settings(read_settings()), f"{folder}/table")), flush=True)
