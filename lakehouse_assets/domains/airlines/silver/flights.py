"""Flights, one row each: typed, in UTC, with cancelled and diverted flights told apart.

The feed has local clock times and delays. A scheduled time becomes an instant by the time zone of its airport; an
actual one is the scheduled one plus the delay, which no change of clocks can shift. A flight that never departed is
cancelled; one that departed and has no arrival delay didn't reach its destination as planned, and is diverted.
"""

from pyspark.sql import Column as Expr
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, between, drop, fail, lookup, merge, not_null, table, typed, warn


@table(
    raw="bronze.flights",
    airports=lookup("silver.airports"),
    columns=[
        Column("carrier", "string", key=True, doc="Two-character code."),
        Column("flight", "int", key=True, doc="Flight number."),
        Column("origin", "string", key=True, doc="FAA code."),
        Column("scheduled_departure_at", "timestamp", key=True, doc="UTC."),
        Column("flight_date", "date", nullable=False, doc="Local date of departure at the origin."),
        Column("destination", "string", nullable=False, doc="FAA code."),
        Column("tail_number", "string"),
        Column("departed_at", "timestamp", doc="UTC; null when cancelled."),
        Column("departure_delay_minutes", "int", doc="Negative when early."),
        Column("scheduled_arrival_at", "timestamp", doc="UTC; null where the destination's time zone is unknown."),
        Column("arrived_at", "timestamp", doc="UTC; null when cancelled or diverted."),
        Column("arrival_delay_minutes", "int", doc="Negative when early."),
        Column("cancelled", "boolean", nullable=False),
        Column("diverted", "boolean", nullable=False),
        Column("air_time_minutes", "int"),
        Column("distance_miles", "int", nullable=False),
    ],
    expect=[
        typed(),
        fail("origin <> destination", name="goes_somewhere"),
        drop(between("departure_delay_minutes", -180, 3000)),
        drop(between("arrival_delay_minutes", -180, 3000)),
        drop(between("distance_miles", 1, 10000)),
        warn(not_null("tail_number")),
        warn(not_null("scheduled_arrival_at")),
    ],
    write=merge(on=["carrier", "flight", "origin", "scheduled_departure_at"], newest="_ingested_at"),
)
def flights(raw: DataFrame, airports: DataFrame) -> DataFrame:
    zones = airports.select("airport", "time_zone")
    origins = F.broadcast(zones.toDF("origin", "origin_zone"))
    destinations = F.broadcast(zones.toDF("dest", "destination_zone"))
    placed = raw.join(origins, "origin", "left").join(destinations, "dest", "left")
    departure = F.to_utc_timestamp(_clock("sched_dep_time"), F.col("origin_zone"))
    timed = placed.withColumn("scheduled_departure_at", departure).withColumn("scheduled_arrival_at", _arrival())
    return timed.select(
        "carrier",
        "flight",
        "origin",
        _or_text("scheduled_departure_at", "sched_dep_time"),
        F.concat_ws("-", "year", "month", "day").alias("flight_date"),
        F.col("dest").alias("destination"),
        F.col("tailnum").alias("tail_number"),
        _later("scheduled_departure_at", "dep_delay").alias("departed_at"),
        F.col("dep_delay").alias("departure_delay_minutes"),
        _or_text("scheduled_arrival_at", "sched_arr_time"),
        _later("scheduled_arrival_at", "arr_delay").alias("arrived_at"),
        F.col("arr_delay").alias("arrival_delay_minutes"),
        F.col("dep_time").isNull().alias("cancelled"),
        (F.col("dep_time").isNotNull() & F.col("arr_delay").isNull()).alias("diverted"),
        F.col("air_time").alias("air_time_minutes"),
        F.col("distance").alias("distance_miles"),
        "_source",
        "_ingested_at",
    )


def _clock(column: str) -> Expr:
    """A clock time such as 517 or 2359, on the flight's date, as a local timestamp."""
    time = f"lpad({column}, 4, '0')"
    return F.expr(f"try_to_timestamp(concat(year, '-', month, '-', day, ' ', {time}), 'y-M-d HHmm')")


def _arrival() -> Expr:
    """The first time after the departure at which the destination's clock shows the scheduled arrival."""
    local_date = "date(from_utc_timestamp(scheduled_departure_at, destination_zone))"
    clock = "try_to_timestamp(concat({day}, ' ', lpad(sched_arr_time, 4, '0')), 'yyyy-MM-dd HHmm')"
    same_day = F.to_utc_timestamp(F.expr(clock.format(day=local_date)), F.col("destination_zone"))
    next_day = F.to_utc_timestamp(F.expr(clock.format(day=f"date_add({local_date}, 1)")), F.col("destination_zone"))
    return F.when(same_day > F.col("scheduled_departure_at"), same_day).otherwise(next_day)


def _or_text(column: str, clock: str) -> Expr:
    """A time as text, or what the feed has in its place if that isn't one of a clock's."""
    is_clock = F.expr(f"try_to_timestamp(lpad({clock}, 4, '0'), 'HHmm') IS NOT NULL")
    return F.when(is_clock, F.col(column).cast("string")).otherwise(F.col(clock)).alias(column)


def _later(column: str, minutes: str) -> Expr:
    return F.timestamp_add("MINUTE", F.expr(f"try_cast({minutes} AS int)"), F.col(column))
