"""One row per flight, with the keys of its dimensions and its measures: the centre of the airlines star.

Carrier and plane are those of the time of the flight: the row of the dimension that was valid at its scheduled
departure.
"""

from datetime import date

from lakehouse_assets.engine import Column, Daily, null_share, references, refresh, sql_table, volume

fact_flights = sql_table(
    flights="silver.flights",
    carriers="gold.dim_carrier",
    planes="gold.dim_plane",
    columns=[
        Column("carrier", "string", key=True),
        Column("flight", "int", key=True),
        Column("origin", "string", key=True, doc="→ dim_airport."),
        Column("scheduled_departure_at", "timestamp", key=True, doc="UTC."),
        Column("flight_date", "date", nullable=False, doc="→ dim_date."),
        Column("destination", "string", nullable=False, doc="→ dim_airport."),
        Column("carrier_key", "bigint", doc="→ dim_carrier."),
        Column("plane_key", "bigint", doc="→ dim_plane; null where the feed names no plane."),
        Column("tail_number", "string"),
        Column("departed_at", "timestamp"),
        Column("arrived_at", "timestamp"),
        Column("departure_delay_minutes", "int"),
        Column("arrival_delay_minutes", "int"),
        Column("air_time_minutes", "int"),
        Column("distance_miles", "int"),
        Column("cancelled", "boolean", nullable=False),
        Column("diverted", "boolean", nullable=False),
    ],
    checks=[
        references("carrier_key", "gold.dim_carrier", "carrier_key"),
        references("plane_key", "gold.dim_plane", "plane_key"),
        volume(low=0.9, high=1.5),
        null_share("plane_key", more=0.01),
    ],
    write=refresh(by="flight_date"),
    partitions=Daily("flight_date", start=date(2013, 1, 1)),
    sql="""
        SELECT f.carrier, f.flight, f.origin, f.scheduled_departure_at, f.flight_date, f.destination, c.carrier_key,
               p.plane_key, f.tail_number, f.departed_at, f.arrived_at, f.departure_delay_minutes,
               f.arrival_delay_minutes, f.air_time_minutes, f.distance_miles, f.cancelled, f.diverted
        FROM flights f
        LEFT JOIN carriers c ON f.carrier = c.carrier AND f.scheduled_departure_at >= c.valid_from
                            AND (f.scheduled_departure_at < c.valid_to OR c.is_current)
        LEFT JOIN planes p ON f.tail_number = p.tail_number AND f.scheduled_departure_at >= p.valid_from
                          AND (f.scheduled_departure_at < p.valid_to OR p.is_current)
    """,
)
