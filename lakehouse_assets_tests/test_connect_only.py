"""What runs on a cluster asks Spark for nothing that Spark Connect lacks, and asks first for what some engines lack."""

from __future__ import annotations

import ast
import re

import pytest

from lakehouse_assets.settings import PROJECT

# Of the classic PySpark alone: https://spark.apache.org/docs/4.0.0/spark-connect-overview.html
LACKING = {"sparkContext", "_sc", "_jsc", "_jvm", "_jdf", "_jsparkSession", "rdd", "toJSON", "foreachPartition"}
# What serverless compute refuses too (`engine/lake/capabilities.py`).
KEPT = {"persist", "unpersist", "cacheTable", "checkpoint", "localCheckpoint"}
SETTING = re.compile(r"\bconf\.(set|unset)\(")
SOURCES = [path for folder in ("lakehouse_assets", "dbfs_jobs") for path in (PROJECT / folder).rglob("*.py")]


def attributes(text: str) -> set[str]:
    """The names that are asked of values in a source."""
    return {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}


def test_nothing_is_asked_for_that_connect_lacks() -> None:
    found = {str(path.relative_to(PROJECT)): attributes(path.read_text()) & LACKING for path in SOURCES}
    assert {path: names for path, names in found.items() if names} == {}


def test_rows_are_kept_by_spark_where_its_capabilities_are_asked_for() -> None:
    found = {str(path.relative_to(PROJECT)): attributes(path.read_text()) & KEPT for path in SOURCES}
    assert {path for path, names in found.items() if names} == {
        "lakehouse_assets/engine/lake/capabilities.py",
        "lakehouse_assets/engine/lake/kept_rows.py",
    }


def test_settings_are_made_where_the_capabilities_are_asked_for() -> None:
    found = {str(path.relative_to(PROJECT)): path.read_text() for path in SOURCES}
    unasked = {path for path, text in found.items() if SETTING.search(text) and "capabilities(" not in text}
    assert unasked == {
        "lakehouse_assets/engine/query/sql_names.py",  # a query that can't be kept to its tables isn't run
        "lakehouse_assets/resources/pyspark_resource.py",  # what a user asks for
    }


@pytest.mark.parametrize("text", ["spark.sparkContext.parallelize([1])", "df._jdf.schema()", "df.rdd.map(f)"])
def test_what_is_looked_for_is_found(text: str) -> None:
    assert attributes(text) & LACKING
