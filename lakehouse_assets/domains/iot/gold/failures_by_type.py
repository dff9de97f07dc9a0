"""How often the milling machine fails, by the product's type and the kind of failure.

A failure may be of several kinds. `any` counts failures of all kinds and of none that is named; `random` also counts
what isn't taken for a failure.
"""

from lakehouse_assets.engine import Column, between, fail, refresh, sql_table

failures_by_type = sql_table(
    readings="silver.machine_readings",
    columns=[
        Column("product_type", "string", key=True, doc="L low, M medium, H high quality."),
        Column("mode", "string", key=True, doc="Kind of failure, or any."),
        Column("readings", "bigint", nullable=False),
        Column("failures", "bigint", nullable=False),
        Column("failure_rate", "double", nullable=False),
    ],
    expect=[fail(between("failure_rate", 0, 1))],
    write=refresh(by="product_type"),
    sql="""
        WITH kinds AS (
            SELECT product_type, explode(map(
                'any', failed, 'tool wear', tool_wear_failure, 'heat dissipation', heat_dissipation_failure,
                'power', power_failure, 'overstrain', overstrain_failure, 'random', random_failure
            )) AS (mode, happened)
            FROM readings
        )
        SELECT product_type, mode, count(*) AS readings, count_if(happened) AS failures,
               count_if(happened) / count(*) AS failure_rate
        FROM kinds GROUP BY product_type, mode
    """,
)
