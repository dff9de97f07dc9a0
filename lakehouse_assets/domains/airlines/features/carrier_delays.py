"""How late a carrier's flights left an airport, by the hour in which they were to leave.

An hour is known once it's over and the last of its flights has left; cancelled flights don't count.
"""

from lakehouse_assets.engine import Column, between, fail, sql_features

carrier_delays = sql_features(
    on=["carrier", "origin"],
    event_time="hour_ended_at",
    known_time="known_at",
    online=True,
    flights="silver.flights",
    columns=[
        Column("carrier", "string", doc="Two-character code."),
        Column("origin", "string", doc="FAA code."),
        Column("hour_ended_at", "timestamp", doc="UTC; the end of the hour of the scheduled departures."),
        Column("known_at", "timestamp", doc="UTC; when the last of these flights had left."),
        Column("flights", "bigint", nullable=False, doc="That have left."),
        Column("mean_departure_delay", "double", nullable=False, doc="Minutes; an early flight counts below zero."),
        Column("late_share", "double", nullable=False, doc="Left 15 minutes late or more."),
    ],
    expect=[fail(between("late_share", 0, 1))],
    sql="""
        SELECT carrier, origin, hour_ended_at, greatest(hour_ended_at, max(departed_at)) AS known_at,
               count(*) AS flights, avg(departure_delay_minutes) AS mean_departure_delay,
               count_if(departure_delay_minutes >= 15) / count(*) AS late_share
        FROM (SELECT *, timestampadd(HOUR, 1, date_trunc('HOUR', scheduled_departure_at)) AS hour_ended_at FROM flights
              WHERE departed_at IS NOT NULL)
        GROUP BY carrier, origin, hour_ended_at
    """,
)
