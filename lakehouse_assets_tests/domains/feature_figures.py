"""The features tables of the airlines, and what was known of them at a time, as pandas makes them of the feed."""

from __future__ import annotations

import pandas as pd

from lakehouse_assets_tests.domains.conftest import Feed

HOUR = pd.Timedelta(hours=1)
WEATHER = ["temperature_f", "wind_speed_mph", "wind_gust_mph", "precipitation_inches", "pressure_millibars",
           "visibility_miles"]  # fmt: skip


def carrier_delays(feed: Feed) -> pd.DataFrame:
    left = feed.flights[feed.flights["dep_time"].notna()]
    left = left.assign(
        hour_ended_at=left["scheduled"].dt.floor("h") + HOUR,
        left_at=left["scheduled"] + pd.to_timedelta(left["dep_delay"], unit="min"),
        late=left["dep_delay"] >= 15,
    )
    hours = left.groupby(["carrier", "origin", "hour_ended_at"])
    made = hours.agg(flights=("flight", "size"), mean_departure_delay=("dep_delay", "mean"),
                     late_share=("late", "mean"), known_at=("left_at", "max")).reset_index()  # fmt: skip
    late = made["known_at"].where(made["known_at"] > made["hour_ended_at"], made["hour_ended_at"])
    return made.assign(known_at=late.dt.as_unit("us"))


def airport_weather(weather: pd.DataFrame) -> pd.DataFrame:
    """Of the rows of `silver.weather`, which other tests hold to the feed."""
    known = weather["observed_at"] + 7 * HOUR / 6
    return weather[["airport", "observed_at", *WEATHER]].assign(known_at=known)


def known_then(hours: pd.DataFrame, carrier: str, origin: str, at: pd.Timestamp) -> float | None:
    """The mean delay of the latest hour of which it was known then, by looking at all of them."""
    known = hours[(hours["carrier"] == carrier) & (hours["origin"] == origin)]
    known = known[(known["hour_ended_at"] <= at) & (known["known_at"] <= at)]
    if known.empty:
        return None
    return float(known.sort_values("hour_ended_at")["mean_departure_delay"].iloc[-1])
