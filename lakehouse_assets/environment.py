"""Where a lakehouse is put together, for Dagster, the command and the jobs alike: its declarations, lake and engine.

What loads PySpark or Dagster is imported when it's asked for, as most commands need neither.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.sources.kafka.connection import by_default
from lakehouse_assets.resources.azure import lake_at
from lakehouse_assets.resources.local_kafka import local_kafka
from lakehouse_assets.settings import Settings, read_settings

if TYPE_CHECKING:
    import dagster as dg

    from lakehouse_assets.engine.compile.assets import Runner
    from lakehouse_assets.engine.context import Context
    from lakehouse_assets.engine.graph.discover import Lakehouse


def open_lakehouse(settings: Settings | None = None, *, strict: bool = False) -> Lakehouse:
    """All declared tables, unless `strict` without those that have a problem.

    Raises:
        DeclarationError: a declaration has a problem, and `strict`.
    """
    from lakehouse_assets.engine.graph.validate import load

    settings = settings or read_settings()
    by_default(partial(local_kafka, settings.home))
    return load(settings.domains, strict=strict)


def open_lake(lakehouse: Lakehouse, settings: Settings | None = None) -> Lake:
    """The lake of the settings, which knows of the declared tables those that others make elsewhere."""
    settings = settings or read_settings()
    downloads = not settings.data_factory
    lake = lake_at(settings.lake, settings.landing, downloads, settings.catalog, lakehouse.elsewhere)
    return replace(lake, online=settings.online, models=settings.models)


def open_context(settings: Settings | None = None) -> Context:
    """What a run works with outside of Dagster; the engine is started when a session is asked for."""
    from lakehouse_assets.engine.context import Context
    from lakehouse_assets.resources.spark import SparkResource

    settings = settings or read_settings()
    lakehouse = open_lakehouse(settings)
    spark = SparkResource.from_settings(settings, lakehouse.elsewhere)
    return Context(lakehouse, open_lake(lakehouse, settings), spark.session)


def open_resources(settings: Settings, lakehouse: Lakehouse) -> dict[str, dg.ConfigurableResource[Any]]:
    """The resources of Dagster's steps and sensors."""
    from lakehouse_assets.resources.data_factory import DataFactoryResource
    from lakehouse_assets.resources.lake import LakeResource
    from lakehouse_assets.resources.spark import SparkResource

    resources: dict[str, dg.ConfigurableResource[Any]] = {
        "spark": SparkResource.from_settings(settings, lakehouse.elsewhere),
        "lake": LakeResource.from_settings(settings, lakehouse.elsewhere),
    }
    if settings.compute == "databricks":
        from lakehouse_assets.resources.databricks import DatabricksResource

        resources["databricks"] = DatabricksResource.from_settings(settings)
    if settings.data_factory:
        resources["data_factory"] = DataFactoryResource.from_settings(settings)
    return resources


def open_runner(settings: Settings, lakehouse: Lakehouse) -> Runner:
    """Who carries out the steps: their own process, or jobs of Databricks."""
    from lakehouse_assets.engine.compile.assets import in_process

    if settings.compute != "databricks":
        return in_process(lakehouse)
    from lakehouse_assets.resources.databricks_runner import on_databricks  # which loads Pipes for Databricks

    return on_databricks(lakehouse)
