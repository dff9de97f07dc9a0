"""What the engine of a session lets it do, found out by trying, as a plain notebook says nothing of its compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from lakehouse_assets.engine.spec.compute import Capabilities

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# By these conditions serverless compute of Databricks refuses what it lacks.
_REFUSED = ("CONFIG_NOT_AVAILABLE", "NOT_SUPPORTED_WITH_SERVERLESS")
# Any setting of Delta's will do, as they go together.
_SETTING = "spark.databricks.delta.commitInfo.userMetadata"
_found: WeakKeyDictionary[SparkSession, Capabilities] = WeakKeyDictionary()


def capabilities(spark: SparkSession) -> Capabilities:
    """What a session may do; tried once for each, in 10 ms."""
    if spark not in _found:
        _found[spark] = Capabilities(_is_let(lambda: _set(spark)), _is_let(lambda: _persist(spark)))
    return _found[spark]


def _is_let(attempt: Callable[[], None]) -> bool:
    from pyspark.errors import PySparkException

    try:
        attempt()
    except PySparkException as error:
        if not any(condition in str(error) for condition in _REFUSED):
            raise
        return False
    return True


def _set(spark: SparkSession) -> None:
    spark.conf.set(_SETTING, "")
    spark.conf.unset(_SETTING)


def _persist(spark: SparkSession) -> None:
    spark.range(0).persist().unpersist()
