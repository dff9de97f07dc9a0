"""Ops that were written for dagster-pyspark, on the warm engine."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import dagster as dg
import pytest
from dagster_pyspark import LazyPySparkResource

from lakehouse_assets.engine.errors import SparkUnavailable
from lakehouse_assets.resources.pyspark_resource import WarmPySparkResource
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import read_settings


def warm(**more: Any) -> WarmPySparkResource:
    return WarmPySparkResource(**{**WarmPySparkResource.from_settings(read_settings()).model_dump(), **more})


@dg.op
def count(pyspark: LazyPySparkResource) -> int:
    return pyspark.spark_session.range(5).where("id > 1").count()


@dg.op(required_resource_keys={"pyspark"})
def partitions(context: dg.OpExecutionContext) -> str:
    found: str = context.resources.pyspark.spark_session.conf.get("spark.sql.shuffle.partitions")
    return found


def test_ops_that_were_written_for_dagster_pyspark_run_on_the_engine(engine: SparkResource) -> None:
    @dg.job(resource_defs={"pyspark": warm()})
    def job() -> None:
        count()

    assert job.execute_in_process().output_for_node("count") == 3


def test_its_settings_are_those_of_the_session(engine: SparkResource) -> None:
    session = engine.session()
    before = session.conf.get("spark.sql.shuffle.partitions")

    @dg.job(resource_defs={"pyspark": warm(spark_config={"spark.sql.shuffle.partitions": "3"})})
    def job() -> None:
        partitions()

    try:
        assert job.execute_in_process().output_for_node("partitions") == "3"
    finally:
        session.conf.set("spark.sql.shuffle.partitions", str(before))


def test_threads_have_sessions_of_their_own(engine: SparkResource) -> None:
    pyspark, both = warm(), Barrier(2)

    def asked() -> str:
        found = str(pyspark.spark_session.session_id)
        both.wait(timeout=60)  # else the second may be the thread that the first one was
        return found

    with ThreadPoolExecutor(2) as pool:
        found = {it.result() for it in [pool.submit(asked), pool.submit(asked)]} | {pyspark.spark_session.session_id}
    assert len(found) == 3


def test_what_connect_lacks_is_told_with_a_way_on(engine: SparkResource) -> None:
    with pytest.raises(SparkUnavailable, match="use `spark_session`"):
        _ = warm().spark_context
