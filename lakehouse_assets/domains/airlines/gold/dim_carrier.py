"""Carriers for reports, one row for each name a carrier has had.

What the first delivery said is taken to be true from the beginning.
"""

from lakehouse_assets.engine import Column, refresh, sql_table

dim_carrier = sql_table(
    carriers="silver.carriers",
    columns=[
        Column("carrier_key", "bigint", key=True, doc="Hash of carrier and valid_from."),
        Column("carrier", "string", nullable=False, doc="Two-character code."),
        Column("name", "string", nullable=False),
        Column("valid_from", "timestamp", nullable=False, doc="UTC; 1900-01-01 for a carrier's first row."),
        Column("valid_to", "timestamp", doc="UTC, the end not included; null while it lasts."),
        Column("is_current", "boolean", nullable=False),
    ],
    write=refresh(by="carrier"),
    sql="""
        WITH since AS (
            SELECT carrier, name, valid_to, is_current, if(nth = 1, TIMESTAMP'1900-01-01', valid_from) AS valid_from
            FROM (SELECT *, row_number() OVER (PARTITION BY carrier ORDER BY valid_from) AS nth FROM carriers)
        )
        SELECT xxhash64(carrier, valid_from) AS carrier_key, carrier, name, valid_from, valid_to, is_current FROM since
    """,
)
