"""How late flights left each airport, by the minute in which they left: a tumbling window by the time of the event."""

from lakehouse_assets.engine import Column, fail, refresh, sql_table

delays_by_minute = sql_table(
    flights="silver.flight_status",
    columns=[
        Column("airport", "string", key=True, doc="FAA code."),
        Column("minute", "timestamp", key=True, doc="UTC; the beginning of the window."),
        Column("departures", "bigint", nullable=False),
        Column("delayed_15", "bigint", nullable=False, doc="Left 15 minutes late or more."),
        Column("mean_departure_delay", "double", nullable=False, doc="Minutes; an early flight counts below zero."),
        Column("worst_departure_delay", "int", nullable=False, doc="Minutes."),
    ],
    expect=[fail("delayed_15 <= departures", name="parts_fit_the_whole")],
    write=refresh(by=["airport", "minute"]),
    sql="""
        SELECT airport, minute, count(*) AS departures, count_if(delay >= 15) AS delayed_15,
               avg(delay) AS mean_departure_delay, max(delay) AS worst_departure_delay
        FROM (SELECT origin AS airport, date_trunc('MINUTE', departed_at) AS minute,
                     int(timestampdiff(MINUTE, scheduled_departure_at, departed_at)) AS delay
              FROM flights WHERE departed_at IS NOT NULL)
        GROUP BY airport, minute
    """,
)
