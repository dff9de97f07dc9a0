"""The code location that Dagster loads: the domains, the engine and the resources put together."""

from __future__ import annotations

import gc

import dagster as dg

from lakehouse_assets.engine.compile.definitions import compile_definitions
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.environment import open_lakehouse, open_resources, open_runner
from lakehouse_assets.settings import Settings, read_settings

# The name of the code location in workspace.yaml, in pyproject.toml, under `dagster dev` and `lakehouse dev`.
LOCATION = "lakehouse_assets.definitions"


@dg.definitions
def defs() -> dg.Definitions:
    """Built when Dagster asks, so importing this module does no work."""
    return location(read_settings())


def location(settings: Settings) -> dg.Definitions:
    """The definitions that a process has for as long as it lives, and its garbage collector needn't look at again.

    Of 300 tables they are 200,000 objects: looking at them took 0.4 s of the 1.6 s until such a process had ended.
    Problems in the declarations are logged as errors.
    """
    lakehouse = open_lakehouse(settings)
    for problem in lakehouse.problems:
        dg.get_dagster_logger().error(printable(problem))
    made = definitions(settings, lakehouse)
    gc.freeze()
    return made


def definitions(settings: Settings, lakehouse: Lakehouse | None = None) -> dg.Definitions:
    """The same for a process that makes them more than once, as tests do."""
    lakehouse = lakehouse or open_lakehouse(settings)
    return compile_definitions(lakehouse, open_resources(settings, lakehouse), open_runner(settings, lakehouse))
