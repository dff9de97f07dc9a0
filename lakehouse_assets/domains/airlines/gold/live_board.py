"""Departures as a screen at the gate shows them: each flight with its status and delay by the last update."""

from lakehouse_assets.engine import Column, alert, refresh, sql_table

live_board = sql_table(
    flights="silver.flight_status",
    airports="silver.airports",
    columns=[
        Column("flight_id", "string", key=True),
        Column("airport", "string", nullable=False, doc="From which it departs; FAA code."),
        Column("flight", "string", nullable=False, doc="As on a ticket: UA 1545."),
        Column("destination", "string", nullable=False, doc="FAA code."),
        Column("destination_name", "string", doc="Null where the reference doesn't know the airport."),
        Column("departs_at_local", "string", doc="By the airport's clock: 05:15. As scheduled."),
        Column("expected_at_local", "string", doc="By the same clock, as estimated or as it was; null until told."),
        Column("status", "string", nullable=False, doc="As in flight_status."),
        Column("departure_delay", "int", doc="Minutes, as estimated or as it was; null until told, negative if early."),
        Column("scheduled_departure_at", "timestamp", nullable=False, doc="UTC."),
        Column("departed_at", "timestamp", doc="UTC; null until it has left the gate."),
        Column("updated_at", "timestamp", nullable=False, doc="UTC."),
    ],
    write=refresh(by="flight_id"),
    alerts=[
        alert(
            "status = 'delayed' AND departure_delay > 60",
            to="ops",
            name="delayed_by_an_hour",
            says="{flight} from {airport} to {destination} is expected to leave {departure_delay} minutes late",
        )
    ],
    sql="""
        SELECT f.flight_id, f.origin AS airport, concat(f.carrier, ' ', f.flight) AS flight, f.destination,
               d.name AS destination_name,
               date_format(from_utc_timestamp(f.scheduled_departure_at, o.time_zone), 'HH:mm') AS departs_at_local,
               date_format(from_utc_timestamp(coalesce(f.departed_at, f.estimated_departure_at), o.time_zone), 'HH:mm')
                 AS expected_at_local,
               f.status,
               int(timestampdiff(MINUTE, f.scheduled_departure_at, coalesce(f.departed_at, f.estimated_departure_at)))
                 AS departure_delay,
               f.scheduled_departure_at, f.departed_at, f.updated_at
        FROM flights f LEFT JOIN airports o ON f.origin = o.airport LEFT JOIN airports d ON f.destination = d.airport
    """,
)
