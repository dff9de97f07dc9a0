"""The code location that Dagster loads: the domains, the engine and the resources put together."""

from __future__ import annotations

import gc
from typing import Any

import dagster as dg

from lakehouse_assets.engine.compile.definitions import compile_definitions
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.graph.validate import load
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.resources.data_factory import DataFactoryResource
from lakehouse_assets.resources.lake import LakeResource
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import Settings, read_settings

DOMAINS = "lakehouse_assets.domains"
# The name of the code location in workspace.yaml, in pyproject.toml, under `dagster dev` and `lakehouse dev`.
LOCATION = "lakehouse_assets.definitions"


@dg.definitions
def defs() -> dg.Definitions:
    """Built when Dagster asks, so importing this module does no work."""
    return location(read_settings())


def location(settings: Settings, domains: str = DOMAINS) -> dg.Definitions:
    """The definitions that a process has for as long as it lives, and its garbage collector needn't look at again.

    Of 300 tables they are 200,000 objects: looking at them took 0.4 s of the 1.6 s until such a process had ended.
    Problems in the declarations are logged as errors.
    """
    lakehouse = load(domains, strict=False)
    for problem in lakehouse.problems:
        dg.get_dagster_logger().error(printable(problem))
    made = definitions(settings, lakehouse)
    gc.freeze()
    return made


def definitions(settings: Settings, lakehouse: Lakehouse | None = None) -> dg.Definitions:
    """The same for a process that makes them more than once, as tests do."""
    resources: dict[str, dg.ConfigurableResource[Any]] = {
        "spark": SparkResource.from_settings(settings),
        "lake": LakeResource.from_settings(settings),
    }
    if settings.data_factory:
        resources["data_factory"] = DataFactoryResource.from_settings(settings)
    return compile_definitions(lakehouse or load(DOMAINS, strict=False), resources)
