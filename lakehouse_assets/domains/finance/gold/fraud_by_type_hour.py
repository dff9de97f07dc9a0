"""Mobile payments and the fraud among them, by type and hour of the day.

Rates are those of the rows that have landed; a sample has far more fraud than all payments have.
"""

from lakehouse_assets.engine import Column, between, fail, refresh, sql_table

fraud_by_type_hour = sql_table(
    payments="silver.payments",
    columns=[
        Column("type", "string", key=True),
        Column("hour", "int", key=True, doc="0 to 23, of the simulation's clock."),
        Column("payments", "bigint", nullable=False),
        Column("frauds", "bigint", nullable=False),
        Column("fraud_rate", "double", nullable=False),
        Column("amount", "decimal(26,2)", nullable=False),
        Column("fraud_amount", "decimal(26,2)", nullable=False),
    ],
    expect=[fail(between("fraud_rate", 0, 1)), fail("fraud_amount <= amount")],
    write=refresh(by="type"),
    sql="""
        SELECT type, (step - 1) % 24 AS hour, count(*) AS payments, count_if(is_fraud) AS frauds,
               count_if(is_fraud) / count(*) AS fraud_rate, sum(amount) AS amount,
               sum(CASE WHEN is_fraud THEN amount ELSE 0 END) AS fraud_amount
        FROM payments GROUP BY 1, 2
    """,
)
