"""A program that brings the airlines weather up to date, bronze and silver, and says when it's committed."""

from __future__ import annotations

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.run.outcome import Outcome
from lakehouse_assets.engine.run.update import update
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import Settings, read_settings

TABLES = ("airlines.bronze.weather", "airlines.silver.weather")


def refresh(settings: Settings, engine: SparkResource) -> list[Outcome]:
    """Materialise both tables of the settings' lake."""
    context = Context(open_lakehouse(strict=True), Lake(settings.lake, settings.landing), engine.session)
    return [update(context.lakehouse.tables[key], context) for key in TABLES]


if __name__ == "__main__":
    found = read_settings()
    silver = refresh(found, SparkResource.from_settings(found))[-1]
    print("committed", silver.plan.strategy, silver.counts.judged, flush=True)
