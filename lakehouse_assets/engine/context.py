"""What a run works with: the declared tables, the lake, and a Spark session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.places import Lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Context:
    """What a run works with. `session` gives a live Spark session, and is called only when there is work for it."""

    lakehouse: Lakehouse
    lake: Lake
    session: Callable[[], SparkSession]
