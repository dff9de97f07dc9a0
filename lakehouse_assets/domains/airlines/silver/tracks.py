"""Where each aircraft was and when, a row for each report; one that comes twice is there once.

Messages have the fields of ADS-B records as the OpenSky Network and the package `traffic` write them: `icao24`,
`timestamp` in milliseconds since 1970, `latitude`, `longitude`, `altitude` and so on. A simulated report also tells of
the flight. Jumps between two reports aren't judged: which of them is wrong would depend on what else has come.
"""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import Column, between, drop, merge, table, typed

FIELDS = {
    "callsign": "callsign",
    "flight_id": "flight_id",
    "destination": "destination",
    "latitude": "latitude",
    "longitude": "longitude",
    "altitude": "altitude_feet",
    "groundspeed": "ground_speed_knots",
    "track": "track_degrees",
    "vertical_rate": "vertical_rate_feet_per_minute",
    "onground": "on_ground",
}
TIME = r"CASE WHEN timestamp RLIKE '^[0-9]{1,14}$' THEN string(timestamp_millis(bigint(timestamp))) ELSE timestamp END"


@table(
    messages="bronze.positions",
    columns=[
        Column("aircraft", "string", key=True, doc="The transponder's address (ICAO, 24 bits) or the tail number."),
        Column("reported_at", "timestamp", key=True, doc="UTC."),
        Column("callsign", "string"),
        Column("flight_id", "string", doc="→ flight_status; null where the report doesn't tell."),
        Column("destination", "string", doc="FAA code; null where the report doesn't tell."),
        Column("latitude", "double", nullable=False, doc="Degrees, north positive."),
        Column("longitude", "double", nullable=False, doc="Degrees, east positive."),
        Column("altitude_feet", "double", doc="By air pressure; null on the ground, as a rule."),
        Column("ground_speed_knots", "double"),
        Column("track_degrees", "double", doc="Over ground, clockwise from north."),
        Column("vertical_rate_feet_per_minute", "double"),
        Column("on_ground", "boolean"),
    ],
    expect=[
        typed(),
        drop(between("latitude", -90, 90)),
        drop(between("longitude", -180, 180)),
        # Jets cruise below 51,000 feet, and no airliner's speed over ground was above 750 knots.
        drop(between("altitude_feet", -1500, 60_000)),
        drop(between("ground_speed_knots", 0, 800)),
        # One of the future would be the latest for good. Clocks may differ by minutes.
        drop("reported_at <= _sent_at + INTERVAL 10 MINUTES", name="not_of_the_future"),
    ],
    write=merge(on=["aircraft", "reported_at"]),
)
def tracks(messages: DataFrame) -> DataFrame:
    told = ", ".join(f"{field} string" for field in ("icao24", "registration", "timestamp", *FIELDS))
    parsed = messages.selectExpr(f"from_json(string(value), '{told}') AS told", "_source", "_sent_at")
    named = [f"{field} AS {column}" for field, column in FIELDS.items()]
    return parsed.selectExpr("told.*", "_source", "_sent_at").selectExpr(
        "coalesce(icao24, registration) AS aircraft", f"{TIME} AS reported_at", *named, "_source", "_sent_at"
    )
