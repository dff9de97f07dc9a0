"""Each flight as it stood two hours before its scheduled departure: what is known of it then, and how it went.

`late` is null for a cancelled flight, and for one that hasn't left yet. Local times are those of the origin.
"""

from lakehouse_assets.engine import Column, fail, lookup, merge, sql_table

departures_ahead = sql_table(
    flights="silver.flights",
    airports=lookup("silver.airports"),
    planes=lookup("silver.planes"),
    columns=[
        Column("carrier", "string", key=True, doc="Two-character code."),
        Column("flight", "int", key=True, doc="Flight number."),
        Column("origin", "string", key=True, doc="FAA code."),
        Column("scheduled_departure_at", "timestamp", key=True, doc="UTC."),
        Column("predicted_at", "timestamp", nullable=False, doc="UTC; two hours before."),
        Column("destination", "string", nullable=False, doc="FAA code."),
        Column("month", "int", nullable=False),
        Column("weekday", "int", nullable=False, doc="0 is Monday."),
        Column("minute_of_day", "int", nullable=False, doc="Of the scheduled departure, local."),
        Column("distance_miles", "int", nullable=False),
        Column("seats", "int", doc="Of the plane that is planned; null where it isn't known."),
        Column("plane_age_years", "int"),
        Column("late", "boolean", doc="It left more than 15 minutes late."),
    ],
    expect=[fail("minute_of_day BETWEEN 0 AND 1439", name="minute_of_a_day")],
    write=merge(on=["carrier", "flight", "origin", "scheduled_departure_at"], newest="_ingested_at"),
    sql="""
        SELECT f.carrier, f.flight, f.origin, f.scheduled_departure_at,
               f.scheduled_departure_at - INTERVAL 2 HOURS AS predicted_at, f.destination,
               month(f.flight_date) AS month, weekday(f.flight_date) AS weekday,
               hour(from_utc_timestamp(f.scheduled_departure_at, a.time_zone)) * 60
                 + minute(from_utc_timestamp(f.scheduled_departure_at, a.time_zone)) AS minute_of_day,
               f.distance_miles, p.seats, year(f.flight_date) - p.year_built AS plane_age_years,
               f.departure_delay_minutes > 15 AS late, f._ingested_at
        FROM flights f JOIN airports a ON f.origin = a.airport LEFT JOIN planes p ON f.tail_number = p.tail_number
    """,
)
