"""The gold tables of the airlines, as pandas makes them of the feed."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from lakehouse_assets_tests.domains.conftest import Feed

FLIGHT = {
    "flight_date": "date",
    "destination": "dest",
    "tail_number": "tailnum",
    "departure_delay_minutes": "dep_delay",
    "arrival_delay_minutes": "arr_delay",
    "air_time_minutes": "air_time",
    "distance_miles": "distance",
    "scheduled_departure_at": "scheduled",
}


def always(members: pd.DataFrame) -> pd.DataFrame:
    """Members of a dimension of which there is one version, from the beginning on."""
    never = pd.Series(pd.NaT, members.index, dtype="datetime64[us, UTC]")
    return members.assign(valid_from=pd.Timestamp("1900-01-01", tz="UTC"), valid_to=never, is_current=True)


def dim_carrier(feed: Feed) -> pd.DataFrame:
    return always(feed.carriers)


def delays_by_carrier(feed: Feed) -> pd.DataFrame:
    days = feed.flights.groupby(["date", "carrier"]).agg(
        flights=("flight", "size"),
        cancelled=("cancelled", "sum"),
        diverted=("diverted", "sum"),
        delayed_15=("arr_delay", lambda delay: (delay >= 15).sum()),
        mean_departure_delay=("dep_delay", "mean"),
        mean_arrival_delay=("arr_delay", "mean"),
        worst_arrival_delay=("arr_delay", "max"),
    )
    named = days.reset_index().merge(feed.carriers, on="carrier", how="left")
    return named.rename(columns={"date": "flight_date", "name": "carrier_name"})


def route_performance(feed: Feed) -> pd.DataFrame:
    routes = feed.flights.groupby(["origin", "dest"]).agg(
        distance_miles=("distance", lambda miles: miles.mode().min()),
        flights=("flight", "size"),
        carriers=("carrier", "nunique"),
        cancelled=("cancelled", "sum"),
        diverted=("diverted", "sum"),
        mean_departure_delay=("dep_delay", "mean"),
        mean_arrival_delay=("arr_delay", "mean"),
        mean_air_time_minutes=("air_time", "mean"),
        on_time_share=("arr_delay", lambda delay: (delay < 15).sum() / len(delay)),
    )
    return routes.reset_index().rename(columns={"dest": "destination"})


def airport_board(feed: Feed) -> pd.DataFrame:
    hours = feed.flights.groupby(["origin", "hour"]).agg(
        departures=("flight", "size"),
        cancelled=("cancelled", "sum"),
        delayed_15=("dep_delay", lambda delay: (delay >= 15).sum()),
        mean_departure_delay=("dep_delay", "mean"),
    )
    measures = {"temp": "temperature_f", "wind_speed": "wind_speed_mph", "wind_gust": "wind_gust_mph",
                "precip": "precipitation_inches", "visib": "visibility_miles"}  # fmt: skip
    believed = feed.weather[~(feed.weather["wind_speed"] > 253)].rename(columns=measures)
    believed = believed.assign(hour=pd.to_datetime(believed["time_hour"]).dt.as_unit("us"), weather_known=True)
    weather = believed[["origin", "hour", *measures.values(), "weather_known"]]
    board = hours.reset_index().merge(weather, on=["origin", "hour"], how="left")
    return board.assign(weather_known=board["weather_known"].notna()).rename(columns={"origin": "airport"})


def on_time_kpis(feed: Feed) -> pd.DataFrame:
    first = feed.flights["date"].map(lambda date: date.replace(day=1))
    months = feed.flights.assign(month=first).groupby(["month", "origin"]).agg(
        flights=("flight", "size"),
        on_time_departure_share=("dep_delay", lambda delay: (delay < 15).sum() / len(delay)),
        on_time_arrival_share=("arr_delay", lambda delay: (delay < 15).sum() / len(delay)),
        cancelled_share=("cancelled", "mean"),
        diverted_share=("diverted", "mean"),
        mean_arrival_delay=("arr_delay", "mean"),
        p90_arrival_delay=("arr_delay", lambda delay: delay.quantile(0.9)),
    )  # fmt: skip
    return months.reset_index().rename(columns={"origin": "airport"})


def dim_date(feed: Feed) -> pd.DataFrame:
    days = pd.date_range(feed.flights["date"].min(), feed.flights["date"].max()).to_series()
    iso, by = days.dt.isocalendar(), days.dt
    return pd.DataFrame({
        "date": by.date, "year": by.year, "quarter": by.quarter, "month": by.month, "month_name": by.month_name(),
        "week": iso.week.astype(int), "day": by.day, "weekday": iso.day.astype(int), "weekday_name": by.day_name(),
        "weekend": by.day_name().isin(["Saturday", "Sunday"]),
    })  # fmt: skip


def dim_plane(feed: Feed) -> pd.DataFrame:
    named = pd.DataFrame({"tailnum": feed.flights["tailnum"].dropna().unique()})
    planes = feed.planes.drop(columns="speed").merge(named, how="outer", on="tailnum")
    known = planes["tailnum"].isin(feed.planes["tailnum"])
    return always(planes.assign(known=known)).rename(columns={"tailnum": "tail_number", "year": "year_built"})


def dim_airport(feed: Feed) -> pd.DataFrame:
    named = pd.DataFrame({"faa": pd.unique(feed.flights[["origin", "dest"]].to_numpy().ravel())})
    airports = feed.airports.drop(columns=["tz", "dst"]).merge(named, how="outer", on="faa")
    names = {"faa": "airport", "lat": "latitude", "lon": "longitude", "alt": "altitude_feet", "tzone": "time_zone"}
    return airports.assign(known=airports["faa"].isin(feed.airports["faa"])).rename(columns=names)


def fact_flights(feed: Feed) -> pd.DataFrame:
    """All but `arrived_at`, which the clocks at the destinations test."""
    departed = feed.flights["scheduled"] + pd.to_timedelta(feed.flights["dep_delay"], unit="min")
    facts = feed.flights.assign(departed_at=departed.dt.as_unit("us"))
    facts = facts.rename(columns={old: new for new, old in FLIGHT.items()})
    return facts[["carrier", "flight", "origin", "departed_at", "cancelled", "diverted", *FLIGHT]]


GOLD: list[tuple[str, list[str], Callable[[Feed], pd.DataFrame]]] = [
    ("dim_carrier", ["carrier"], dim_carrier),
    ("delays_by_carrier", ["flight_date", "carrier"], delays_by_carrier),
    ("route_performance", ["origin", "destination"], route_performance),
    ("airport_board", ["airport", "hour"], airport_board),
    ("on_time_kpis", ["month", "airport"], on_time_kpis),
    ("dim_date", ["date"], dim_date),
    ("dim_plane", ["tail_number"], dim_plane),
    ("dim_airport", ["airport"], dim_airport),
]
