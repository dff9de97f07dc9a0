"""Departures of each New York airport by scheduled hour (UTC), with the weather observed in that hour."""

from lakehouse_assets.engine import Column, fail, refresh, sql_table

airport_board = sql_table(
    flights="silver.flights",
    weather="silver.weather",
    columns=[
        Column("airport", "string", key=True),
        Column("hour", "timestamp", key=True, doc="UTC."),
        Column("departures", "bigint", nullable=False, doc="Scheduled."),
        Column("cancelled", "bigint", nullable=False),
        Column("delayed_15", "bigint", nullable=False, doc="Departed 15 minutes late or more."),
        Column("mean_departure_delay", "double", doc="Minutes."),
        Column("temperature_f", "double"),
        Column("wind_speed_mph", "double"),
        Column("wind_gust_mph", "double"),
        Column("precipitation_inches", "double"),
        Column("visibility_miles", "double"),
        Column("weather_known", "boolean", nullable=False),
    ],
    expect=[fail("cancelled <= departures", name="parts_fit_the_whole")],
    write=refresh(by=["airport", "hour"]),
)
