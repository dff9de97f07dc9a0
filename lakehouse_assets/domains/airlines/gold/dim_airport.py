"""Airports for reports, one row each.

An airport that flights name and the reference doesn't have is there by its code alone.
"""

from lakehouse_assets.engine import Column, refresh, sql_table

dim_airport = sql_table(
    airports="silver.airports",
    flights="silver.flights",
    columns=[
        Column("airport", "string", key=True, doc="FAA code."),
        Column("name", "string", doc="Null where the reference doesn't know the airport."),
        Column("latitude", "double"),
        Column("longitude", "double"),
        Column("altitude_feet", "int"),
        Column("time_zone", "string"),
        Column("known", "boolean", nullable=False, doc="In the reference."),
    ],
    write=refresh(by="airport"),
    sql="""
        WITH named AS (SELECT origin AS airport FROM flights UNION SELECT destination FROM flights)
        SELECT coalesce(a.airport, n.airport) AS airport, a.name, a.latitude, a.longitude, a.altitude_feet, a.time_zone,
               a.airport IS NOT NULL AS known
        FROM airports a FULL JOIN named n ON a.airport = n.airport
    """,
)
