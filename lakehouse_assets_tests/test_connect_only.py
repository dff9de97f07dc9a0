"""What runs on a cluster asks Spark for nothing that Spark Connect lacks, and keeps rows by Spark in one place."""

from __future__ import annotations

import ast

import pytest

from lakehouse_assets.settings import PROJECT

# Of the classic PySpark alone: https://spark.apache.org/docs/4.0.0/spark-connect-overview.html
LACKING = {"sparkContext", "_sc", "_jsc", "_jvm", "_jdf", "_jsparkSession", "rdd", "toJSON", "foreachPartition"}
# Serverless compute refuses it too.
KEPT = {"persist", "unpersist", "cacheTable"}
SOURCES = [path for folder in ("lakehouse_assets", "dbfs_jobs") for path in (PROJECT / folder).rglob("*.py")]


def attributes(text: str) -> set[str]:
    """The names that are asked of values in a source."""
    return {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}


def test_nothing_is_asked_for_that_connect_lacks() -> None:
    found = {str(path.relative_to(PROJECT)): attributes(path.read_text()) & LACKING for path in SOURCES}
    assert {path: names for path, names in found.items() if names} == {}


def test_rows_are_kept_by_spark_in_one_place() -> None:
    found = {str(path.relative_to(PROJECT)): attributes(path.read_text()) & KEPT for path in SOURCES}
    assert {path: names for path, names in found.items() if names} == {
        "lakehouse_assets/engine/lake/delta_merge.py": {"persist", "unpersist"}
    }


@pytest.mark.parametrize("text", ["spark.sparkContext.parallelize([1])", "df._jdf.schema()", "df.rdd.map(f)"])
def test_what_is_looked_for_is_found(text: str) -> None:
    assert attributes(text) & LACKING
