"""Where each aircraft is by its last report: how far from its destination, and near which airport.

Airports are those of silver.airports, which are in the United States. Distances are along great circles.
"""

from lakehouse_assets.engine import Column, lookup, merge, sql_table

# The mean radius of the Earth is 6371.0088 km (IUGG; H. Moritz, Geodetic Reference System 1980).
# Runways of New York's airports begin less than 3 km from the airport's point; 5 km has the last minute of an approach.
aircraft_now = sql_table(
    tracks="silver.tracks",
    airports=lookup("silver.airports"),
    columns=[
        Column("aircraft", "string", key=True),
        Column("reported_at", "timestamp", nullable=False, doc="UTC."),
        Column("callsign", "string"),
        Column("flight_id", "string", doc="→ flight_status."),
        Column("destination", "string", doc="FAA code."),
        Column("latitude", "double", nullable=False),
        Column("longitude", "double", nullable=False),
        Column("altitude_feet", "double"),
        Column("ground_speed_knots", "double"),
        Column("on_ground", "boolean"),
        Column("destination_km", "double", doc="Null where the destination isn't told, or isn't known."),
        Column("nearest_airport", "string", nullable=False, doc="FAA code."),
        Column("nearest_airport_km", "double", nullable=False),
        Column("in_airport_zone", "boolean", nullable=False, doc="Within 5 km of the nearest airport's point."),
    ],
    write=merge(on="aircraft", newest="reported_at"),
    sql="""
        WITH newest AS (
            SELECT aircraft, max(struct(reported_at, callsign, flight_id, destination, latitude, longitude,
                                        altitude_feet, ground_speed_knots, on_ground)) AS report
            FROM tracks GROUP BY aircraft
        ), airports_away AS (
            SELECT n.aircraft, n.report, a.airport,
                   2 * 6371.0088 * asin(least(1, sqrt(
                     power(sin(radians(a.latitude - report.latitude) / 2), 2)
                     + cos(radians(a.latitude)) * cos(radians(report.latitude))
                       * power(sin(radians(a.longitude - report.longitude) / 2), 2)))) AS km
            FROM newest n JOIN airports a ON a.latitude IS NOT NULL AND a.longitude IS NOT NULL
        )
        SELECT aircraft, report.*, max(km) FILTER (WHERE airport = report.destination) AS destination_km,
               min_by(airport, struct(km, airport)) AS nearest_airport, min(km) AS nearest_airport_km,
               min(km) <= 5 AS in_airport_zone
        FROM airports_away GROUP BY aircraft, report
    """,
)
