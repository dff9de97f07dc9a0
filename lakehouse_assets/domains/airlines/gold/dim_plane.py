"""Planes for reports, one row for each state a plane has been in.

What the first delivery of the register said is taken to be true from the beginning. A tail number that flights name and
the register doesn't have is there by itself.
"""

from lakehouse_assets.engine import Column, refresh, sql_table

dim_plane = sql_table(
    planes="silver.planes",
    flights="silver.flights",
    columns=[
        Column("plane_key", "bigint", key=True, doc="Hash of tail number and valid_from."),
        Column("tail_number", "string", nullable=False),
        Column("year_built", "int"),
        Column("type", "string"),
        Column("manufacturer", "string"),
        Column("model", "string"),
        Column("engines", "int"),
        Column("seats", "int"),
        Column("engine", "string"),
        Column("known", "boolean", nullable=False, doc="In the register."),
        Column("valid_from", "timestamp", nullable=False, doc="UTC; 1900-01-01 for a plane's first row."),
        Column("valid_to", "timestamp", doc="UTC, the end not included; null while it lasts."),
        Column("is_current", "boolean", nullable=False),
    ],
    write=refresh(by="tail_number"),
    sql="""
        WITH named AS (SELECT DISTINCT tail_number FROM flights WHERE tail_number IS NOT NULL),
        registered AS (
            SELECT *, row_number() OVER (PARTITION BY tail_number ORDER BY valid_from) = 1 AS first FROM planes
        ),
        members AS (
            SELECT coalesce(p.tail_number, n.tail_number) AS tail_number, p.year_built, p.type, p.manufacturer, p.model,
                   p.engines, p.seats, p.engine, p.tail_number IS NOT NULL AS known,
                   if(coalesce(p.first, true), TIMESTAMP'1900-01-01', p.valid_from) AS valid_from, p.valid_to,
                   coalesce(p.is_current, true) AS is_current
            FROM registered p FULL JOIN named n ON p.tail_number = n.tail_number
        )
        SELECT xxhash64(tail_number, valid_from) AS plane_key, * FROM members
    """,
)
