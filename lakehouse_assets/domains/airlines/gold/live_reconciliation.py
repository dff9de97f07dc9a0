"""What the stream told of each flight beside what the day's file says of it, and whether they agree.

The file comes later and is the record: silver.flights and all that is made of it take nothing from the stream.
"""

from lakehouse_assets.engine import Column, refresh, sql_table

live_reconciliation = sql_table(
    live="silver.flight_status",
    daily="silver.flights",
    columns=[
        Column("flight_id", "string", key=True),
        Column("flight_date", "date", key=True, doc="Local date of departure at the origin."),
        Column("live_status", "string", nullable=False),
        Column("daily_status", "string", doc="Null until the day's file has the flight."),
        Column("live_departed_at", "timestamp", doc="UTC."),
        Column("daily_departed_at", "timestamp", doc="UTC."),
        Column("live_arrived_at", "timestamp", doc="UTC."),
        Column("daily_arrived_at", "timestamp", doc="UTC; null where the destination's time zone is unknown."),
        Column("agrees", "boolean", doc="In status and times; null until the day's file has the flight."),
    ],
    write=refresh(by="flight_date"),
    sql="""
        SELECT *, CASE WHEN daily_status IS NOT NULL THEN live_status = daily_status
                       AND live_departed_at <=> daily_departed_at AND live_arrived_at <=> daily_arrived_at
                  END AS agrees
        FROM (
            SELECT l.flight_id, l.flight_date, l.status AS live_status,
                   CASE WHEN d.cancelled THEN 'cancelled' WHEN d.diverted THEN 'diverted'
                        WHEN d.arrived_at IS NOT NULL THEN 'arrived' WHEN d.carrier IS NOT NULL THEN 'departed'
                   END AS daily_status,
                   l.departed_at AS live_departed_at, d.departed_at AS daily_departed_at,
                   l.arrived_at AS live_arrived_at, d.arrived_at AS daily_arrived_at
            FROM live l LEFT JOIN daily d
              ON l.flight_date = d.flight_date AND l.carrier = d.carrier AND l.flight = d.flight
             AND l.origin = d.origin AND l.scheduled_departure_at = d.scheduled_departure_at)
    """,
)
