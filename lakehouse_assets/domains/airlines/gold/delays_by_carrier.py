"""Delays per carrier and day.

Means are in minutes, over the flights that have the delay; an early flight counts below zero.
"""

from lakehouse_assets.engine import Column, fail, refresh, sql_table

delays_by_carrier = sql_table(
    flights="silver.flights",
    carriers="gold.dim_carrier",
    columns=[
        Column("flight_date", "date", key=True),
        Column("carrier", "string", key=True),
        Column("carrier_name", "string", doc="As of the day's last flight."),
        Column("flights", "bigint", nullable=False, doc="Scheduled."),
        Column("cancelled", "bigint", nullable=False),
        Column("diverted", "bigint", nullable=False),
        Column("delayed_15", "bigint", nullable=False, doc="Arrived 15 minutes late or more."),
        Column("mean_departure_delay", "double"),
        Column("mean_arrival_delay", "double"),
        Column("worst_arrival_delay", "int"),
    ],
    expect=[fail("cancelled + diverted <= flights", name="parts_fit_the_whole")],
    write=refresh(by="flight_date"),
    sql="""
        SELECT f.flight_date, f.carrier, max_by(c.name, f.scheduled_departure_at) AS carrier_name,
               count(*) AS flights, count_if(cancelled) AS cancelled, count_if(diverted) AS diverted,
               count_if(arrival_delay_minutes >= 15) AS delayed_15,
               avg(departure_delay_minutes) AS mean_departure_delay, avg(arrival_delay_minutes) AS mean_arrival_delay,
               max(arrival_delay_minutes) AS worst_arrival_delay
        FROM flights f
        LEFT JOIN carriers c ON f.carrier = c.carrier AND f.scheduled_departure_at >= c.valid_from
                            AND (f.scheduled_departure_at < c.valid_to OR c.is_current)
        GROUP BY f.flight_date, f.carrier
    """,
)
