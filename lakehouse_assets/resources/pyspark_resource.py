"""The warm engine as a resource of dagster-pyspark, for ops and assets that others wrote for that library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagster_pyspark import LazyPySparkResource

from lakehouse_assets.engine.errors import SparkUnavailable
from lakehouse_assets.resources.spark import SparkResource

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class WarmPySparkResource(SparkResource, LazyPySparkResource):
    """A `LazyPySparkResource` whose session is one of the engine's: opened when it's asked for, opened anew if that
    engine is gone, and another in each thread. `WarmPySparkResource.from_settings(read_settings())` makes it.

    `spark_config` are settings of the session. What only a JVM of one's own has, `spark_context`, isn't there.
    """

    spark_config: dict[str, Any] = {}  # noqa: RUF012  (a field of pydantic's, copied for each resource)

    @property
    def spark_session(self) -> SparkSession:
        """
        Raises:
            SparkUnavailable: no engine could be reached or started.
        """
        session = self.session()
        for name, value in self.spark_config.items():
            session.conf.set(name, value)
        return session

    @property
    def spark_context(self) -> Any:
        """
        Raises:
            SparkUnavailable: always, as Spark Connect has none.
        """
        raise SparkUnavailable(
            "Asking the engine for its SparkContext: it is reached by Spark Connect, which has none; use "
            "`spark_session`, or dagster-pyspark's own PySparkResource for a Spark in this process"
        )
