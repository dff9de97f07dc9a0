"""Carriers for reports, one row each, by their two-character code."""

from lakehouse_assets.engine import Column, sql_table

dim_carrier = sql_table(
    carriers="bronze.carriers",
    columns=[
        Column("carrier", "string", key=True),
        Column("name", "string", nullable=False),
    ],
    # Of a carrier delivered twice the later delivery counts.
    sql="""
        SELECT carrier, max_by(name, struct(_ingested_at, name)) AS name
        FROM carriers WHERE carrier IS NOT NULL GROUP BY carrier
    """,
)
