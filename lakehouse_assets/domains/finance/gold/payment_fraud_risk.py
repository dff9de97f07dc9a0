"""The chance that each mobile payment is fraud, as the champion has it before it's paid.

Learnt from a sample with far more fraud than all payments have, it's a rank to check them by and no probability.
"""

from lakehouse_assets.engine import Column, between, fail, score

MONEY = "decimal(16,2)"

payment_fraud_risk = score(
    model="models.payment_fraud",
    rows="gold.payments_ahead",
    keep=[
        Column("step", "int", key=True, doc="Hour of the simulation, from 1."),
        Column("type", "string", key=True, doc="CASH_IN, CASH_OUT, DEBIT, PAYMENT or TRANSFER."),
        Column("amount", MONEY, key=True),
        Column("payer", "string", key=True, doc="Account."),
        Column("payee", "string", key=True, doc="Account."),
    ],
    expect=[fail(between("score", 0, 1), name="from_0_to_1")],
)
