"""How a Spark session is set, so that tables come out the same wherever they are computed. Needs no Dagster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake.capabilities import capabilities
from lakehouse_assets.resources.azure import azure_storage, in_azure

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# What a table's rows, lineage and strategy depend on, so it's the same wherever they are computed.
MEANING = {
    "spark.sql.session.timeZone": "UTC",
    # The plan of a table of 25 columns would be cut; then it has no lineage, and is refreshed whole.
    "spark.sql.debug.maxToStringFields": "100000",
    # Spark's default, INT96, is read by Arrow, and so by delta-rs, as nanoseconds: the year 12024 comes out as 2086.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # A cluster may be set to pass over files that are gone or damaged: their rows would be lost in silence.
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
}

# Those that serverless compute takes, of six: https://docs.databricks.com/aws/en/spark/conf#serverless. It reaches
# stores by Unity Catalog, and has the defaults of the others but for timestamps, which it writes as INT96.
SERVERLESS = {"spark.sql.session.timeZone"}


def configured(session: SparkSession, stores: Sequence[str]) -> SparkSession:
    """The session, set so that tables come out as they do anywhere else, and told how to reach these stores."""
    tell(session, meaning(stores))
    return session


def meaning(stores: Sequence[str]) -> dict[str, str]:
    """The settings of a session: what rows depend on, and how the stores that are in Azure are reached."""
    reaching = [azure_storage(store).for_spark() for store in stores if in_azure(store)]
    return {**MEANING, **{name: value for told in reaching for name, value in told.items()}}


def tell(session: SparkSession, told: Mapping[str, str]) -> None:
    """Set settings of a session; of one that takes few, those that it takes."""
    limited = not capabilities(session).settings
    for name, value in told.items():
        if not limited or name in SERVERLESS:
            session.conf.set(name, value)
