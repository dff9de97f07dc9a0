"""The weather at an airport, as it was known at a time: no model sees an observation before it was published."""

from lakehouse_assets.engine import Column, sql_features

# The feed has an hour, and not the minute in which it was observed. So an observation counts as made at the end of its
# hour, and as published ten minutes later, which is a guess on the safe side.
airport_weather = sql_features(
    on="airport",
    event_time="observed_at",
    known_time="known_at",
    online=True,
    weather="silver.weather",
    columns=[
        Column("airport", "string", doc="FAA code."),
        Column("observed_at", "timestamp", doc="UTC; the beginning of the hour."),
        Column("known_at", "timestamp", doc="UTC; ten minutes after that hour."),
        Column("temperature_f", "double"),
        Column("wind_speed_mph", "double"),
        Column("wind_gust_mph", "double"),
        Column("precipitation_inches", "double"),
        Column("pressure_millibars", "double"),
        Column("visibility_miles", "double"),
    ],
    sql="""
        SELECT airport, observed_at, observed_at + INTERVAL 70 MINUTES AS known_at, temperature_f, wind_speed_mph,
               wind_gust_mph, precipitation_inches, pressure_millibars, visibility_miles
        FROM weather
    """,
)
