"""The chance that each card transaction is fraud, as the champion has it.

Learnt from a sample with far more fraud than all transactions have, it's a rank to check them by and no probability.
"""

from lakehouse_assets.engine import Column, between, fail, score

card_fraud_risk = score(
    model="models.card_fraud",
    rows="silver.card_transactions",
    keep=[
        Column("transaction_id", "string", key=True, doc="SHA-256 of all cells."),
        Column("seconds", "double", nullable=False, doc="Since the first transaction of the data set."),
        Column("amount", "decimal(12,2)", nullable=False, doc="Euros."),
    ],
    expect=[fail(between("score", 0, 1), name="from_0_to_1")],
)
