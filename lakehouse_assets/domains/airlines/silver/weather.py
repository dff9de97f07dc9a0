"""Weather at the New York airports, one row per airport and hour (UTC)."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, between, drop, merge, not_null, table, typed, warn

MEASURES = {
    "temp": "temperature_f",
    "dewp": "dew_point_f",
    "humid": "humidity_percent",
    "wind_dir": "wind_direction_degrees",
    "wind_speed": "wind_speed_mph",
    "wind_gust": "wind_gust_mph",
    "precip": "precipitation_inches",
    "pressure": "pressure_millibars",
    "visib": "visibility_miles",
}


@table(
    raw="bronze.weather",
    columns=[
        Column("airport", "string", key=True),
        Column("observed_at", "timestamp", key=True, doc="The hour, UTC."),
        *(Column(name, "double") for name in MEASURES.values()),
    ],
    expect=[
        typed(),
        # The strongest surface wind ever measured is 253 mph (Barrow Island 1996, WMO).
        drop(between("wind_speed_mph", 0, 253)),
        drop(between("humidity_percent", 0, 100)),
        drop(between("temperature_f", -80, 135)),
        warn(not_null("pressure_millibars")),
    ],
    write=merge(on=["airport", "observed_at"], newest="_ingested_at"),
)
def weather(raw: DataFrame) -> DataFrame:
    measures = [F.col(column).alias(name) for column, name in MEASURES.items()]
    # The local hour comes twice when clocks go back; the feed's UTC hour doesn't.
    hour = F.col("time_hour").alias("observed_at")
    return raw.select(F.col("origin").alias("airport"), hour, *measures, "_source", "_ingested_at")
