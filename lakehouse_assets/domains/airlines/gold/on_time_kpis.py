"""On-time figures per month and airport of departure, by the US DOT's measure: on time is less than 15 minutes late.

Shares are of all scheduled flights, so that a cancelled or diverted one is not on time.
"""

from lakehouse_assets.engine import Column, between, fail, refresh, sql_table

on_time_kpis = sql_table(
    flights="silver.flights",
    columns=[
        Column("month", "date", key=True, doc="Its first day."),
        Column("airport", "string", key=True),
        Column("flights", "bigint", nullable=False, doc="Scheduled."),
        Column("on_time_departure_share", "double", nullable=False),
        Column("on_time_arrival_share", "double", nullable=False),
        Column("cancelled_share", "double", nullable=False),
        Column("diverted_share", "double", nullable=False),
        Column("mean_arrival_delay", "double", doc="Minutes, over the flights that arrived."),
        Column("p90_arrival_delay", "double", doc="Minutes; nine in ten flights that arrived were no later."),
    ],
    expect=[fail(between("on_time_arrival_share", 0, 1)), fail(between("cancelled_share", 0, 1))],
    write=refresh(by="month"),
    sql="""
        SELECT date(date_trunc('MONTH', flight_date)) AS month, origin AS airport, count(*) AS flights,
               count_if(departure_delay_minutes < 15) / count(*) AS on_time_departure_share,
               count_if(arrival_delay_minutes < 15) / count(*) AS on_time_arrival_share,
               count_if(cancelled) / count(*) AS cancelled_share,
               count_if(diverted) / count(*) AS diverted_share,
               avg(arrival_delay_minutes) AS mean_arrival_delay,
               percentile(arrival_delay_minutes, 0.9) AS p90_arrival_delay
        FROM flights GROUP BY 1, 2
    """,
)
