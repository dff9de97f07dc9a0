"""The code location that Dagster loads: the domains, the engine and the resources put together."""

from __future__ import annotations

from typing import Any

import dagster as dg

from lakehouse_assets.engine.compile.definitions import compile_definitions
from lakehouse_assets.engine.graph import load
from lakehouse_assets.resources.data_factory import DataFactoryResource
from lakehouse_assets.resources.lake import LakeResource
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import Settings, read_settings

DOMAINS = "lakehouse_assets.domains"


@dg.definitions
def defs() -> dg.Definitions:
    """Built when Dagster asks, so importing this module does no work."""
    return definitions(read_settings())


def definitions(settings: Settings) -> dg.Definitions:
    """The same for settings of one's own, as a test needs."""
    resources: dict[str, dg.ConfigurableResource[Any]] = {
        "spark": SparkResource.from_settings(settings),
        "lake": LakeResource.from_settings(settings),
    }
    if settings.data_factory:
        resources["data_factory"] = DataFactoryResource.from_settings(settings)
    return compile_definitions(load(DOMAINS), resources)
