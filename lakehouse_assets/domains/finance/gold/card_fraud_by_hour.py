"""Card transactions and the fraud among them, by the hour since the first one.

Rates are those of the rows that have landed; a sample has far more fraud than all transactions have.
"""

from lakehouse_assets.engine import Column, between, fail, refresh, sql_table

card_fraud_by_hour = sql_table(
    transactions="silver.card_transactions",
    columns=[
        Column("hour", "int", key=True, doc="0 to 47."),
        Column("transactions", "bigint", nullable=False),
        Column("frauds", "bigint", nullable=False),
        Column("fraud_rate", "double", nullable=False),
        Column("amount", "decimal(22,2)", nullable=False, doc="Euros."),
        Column("fraud_amount", "decimal(22,2)", nullable=False, doc="Euros."),
    ],
    expect=[fail(between("fraud_rate", 0, 1)), fail("fraud_amount <= amount")],
    write=refresh(by="hour"),
    sql="""
        SELECT hour, count(*) AS transactions, count_if(is_fraud) AS frauds,
               count_if(is_fraud) / count(*) AS fraud_rate, sum(amount) AS amount,
               sum(CASE WHEN is_fraud THEN amount ELSE 0 END) AS fraud_amount
        FROM transactions GROUP BY hour
    """,
)
