"""One row per flight, with the keys of its dimensions and its measures: the centre of the airlines star."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import Column, merge, references, table


@table(
    flights="silver.flights",
    columns=[
        Column("carrier", "string", key=True, doc="→ dim_carrier."),
        Column("flight", "int", key=True),
        Column("origin", "string", key=True, doc="→ dim_airport."),
        Column("scheduled_departure_at", "timestamp", key=True, doc="UTC."),
        Column("flight_date", "date", nullable=False, doc="→ dim_date."),
        Column("destination", "string", nullable=False, doc="→ dim_airport."),
        Column("tail_number", "string", doc="→ dim_plane."),
        Column("departed_at", "timestamp"),
        Column("arrived_at", "timestamp"),
        Column("departure_delay_minutes", "int"),
        Column("arrival_delay_minutes", "int"),
        Column("air_time_minutes", "int"),
        Column("distance_miles", "int"),
        Column("cancelled", "boolean", nullable=False),
        Column("diverted", "boolean", nullable=False),
    ],
    checks=[references("carrier", "gold.dim_carrier", "carrier", severity="warn")],
    write=merge(on=["carrier", "flight", "origin", "scheduled_departure_at"], newest="_ingested_at"),
)
def fact_flights(flights: DataFrame) -> DataFrame:
    return flights.drop("scheduled_arrival_at")
