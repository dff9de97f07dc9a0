"""Each flight as it stands by the last update of it, whatever order the updates came in.

An update tells all that is known of its flight by then. So the one with the latest time has it whole, and one that
comes late or twice changes nothing.
"""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import Column, drop, merge, one_of, table, typed

STATUSES = ("scheduled", "delayed", "cancelled", "departed", "diverted", "arrived")
COLUMNS = [
    Column("flight_id", "string", key=True, doc="Carrier, number, origin and scheduled departure: UA1545-EWR-…"),
    Column("updated_at", "timestamp", nullable=False, doc="UTC; when this came to be so."),
    Column("status", "string", nullable=False, doc=f"One of {', '.join(STATUSES)}."),
    Column("carrier", "string", nullable=False, doc="Two-character code."),
    Column("flight", "int", nullable=False, doc="Flight number."),
    Column("origin", "string", nullable=False, doc="FAA code."),
    Column("destination", "string", nullable=False, doc="FAA code."),
    Column("flight_date", "date", nullable=False, doc="Local date of departure at the origin."),
    Column("tail_number", "string"),
    Column("scheduled_departure_at", "timestamp", nullable=False, doc="UTC."),
    Column("estimated_departure_at", "timestamp", doc="UTC; null until a delay is told."),
    Column("departed_at", "timestamp", doc="UTC; null until it has left the gate."),
    Column("scheduled_arrival_at", "timestamp", doc="UTC; null where the destination's time zone is unknown."),
    Column("arrived_at", "timestamp", doc="UTC; null until it's at the gate."),
]


@table(
    updates="bronze.flight_updates",
    columns=COLUMNS,
    expect=[
        typed(),
        drop(one_of("status", *STATUSES)),
        drop("origin <> destination", name="goes_somewhere"),
        drop("arrived_at > departed_at OR arrived_at IS NULL", name="arrives_after_it_departs"),
        # One of the future would be the latest for good. Clocks may differ by minutes.
        drop("updated_at <= _sent_at + INTERVAL 10 MINUTES", name="not_of_the_future"),
    ],
    write=merge(on="flight_id", newest="updated_at"),
)
def flight_status(updates: DataFrame) -> DataFrame:
    told = ", ".join(f"{column.name} string" for column in COLUMNS)
    parsed = f"from_json(string(value), '{told}') AS told"
    return updates.selectExpr(parsed, "_source", "_sent_at").selectExpr("told.*", "_source", "_sent_at")
