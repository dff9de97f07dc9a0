"""Planes for reports, one row each.

A tail number that flights name and the register doesn't have is there by itself.
"""

from lakehouse_assets.engine import Column, sql_table

dim_plane = sql_table(
    planes="silver.planes",
    flights="silver.flights",
    columns=[
        Column("tail_number", "string", key=True),
        Column("year_built", "int"),
        Column("type", "string"),
        Column("manufacturer", "string"),
        Column("model", "string"),
        Column("engines", "int"),
        Column("seats", "int"),
        Column("engine", "string"),
        Column("known", "boolean", nullable=False, doc="In the register."),
    ],
    sql="""
        WITH named AS (SELECT DISTINCT tail_number FROM flights WHERE tail_number IS NOT NULL)
        SELECT coalesce(p.tail_number, n.tail_number) AS tail_number, p.year_built, p.type, p.manufacturer, p.model,
               p.engines, p.seats, p.engine, p.tail_number IS NOT NULL AS known
        FROM planes p FULL JOIN named n ON p.tail_number = n.tail_number
    """,
)
