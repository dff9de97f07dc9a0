"""How each route does: traffic, carriers, delays in minutes, and the share of scheduled flights that come on time."""

from lakehouse_assets.engine import Column, between, fail, refresh, sql_table

route_performance = sql_table(
    flights="silver.flights",
    columns=[
        Column("origin", "string", key=True),
        Column("destination", "string", key=True),
        Column("distance_miles", "int", doc="As the flights of the route have it most often."),
        Column("flights", "bigint", nullable=False, doc="Scheduled."),
        Column("carriers", "bigint", nullable=False),
        Column("cancelled", "bigint", nullable=False),
        Column("diverted", "bigint", nullable=False),
        Column("mean_departure_delay", "double"),
        Column("mean_arrival_delay", "double"),
        Column("mean_air_time_minutes", "double"),
        Column("on_time_share", "double", nullable=False, doc="Arrived less than 15 minutes late, of all scheduled."),
    ],
    expect=[fail(between("on_time_share", 0, 1))],
    write=refresh(by=["origin", "destination"]),
    sql="""
        SELECT origin, destination, mode(distance_miles, true) AS distance_miles,
               count(*) AS flights, count(DISTINCT carrier) AS carriers,
               count_if(cancelled) AS cancelled, count_if(diverted) AS diverted,
               avg(departure_delay_minutes) AS mean_departure_delay, avg(arrival_delay_minutes) AS mean_arrival_delay,
               avg(air_time_minutes) AS mean_air_time_minutes,
               count_if(arrival_delay_minutes < 15) / count(*) AS on_time_share
        FROM flights GROUP BY origin, destination
    """,
)
