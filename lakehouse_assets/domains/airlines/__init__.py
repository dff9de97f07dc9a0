"""Flights from the New York airports, with the weather there, and the airports, planes and carriers they name."""

from datetime import timedelta

from lakehouse_assets.engine import Domain

airlines = Domain(
    owner="team:airlines",
    schedule="0 6 * * *",
    freshness=timedelta(hours=26),
    doc="Every airlines table, from what has landed to what is reported.",
)
