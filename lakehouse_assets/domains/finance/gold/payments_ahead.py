"""Each mobile payment as it stands before it's paid: what is known of it then, and whether it turned out to be fraud.

The balances after it aren't here, as they tell of the fraud itself. Nor is the time to learn from: in a sample more of
the later payments are fraud, which is how it was drawn.
"""

from lakehouse_assets.engine import Column, merge, sql_table

MONEY = "decimal(16,2)"

payments_ahead = sql_table(
    payments="silver.payments",
    columns=[
        Column("step", "int", key=True, doc="Hour of the simulation, from 1."),
        Column("type", "string", key=True, doc="CASH_IN, CASH_OUT, DEBIT, PAYMENT or TRANSFER."),
        Column("amount", MONEY, key=True),
        Column("payer", "string", key=True, doc="Account."),
        Column("payee", "string", key=True, doc="Account; M is a merchant's."),
        Column("payer_before", MONEY, nullable=False, doc="Balance."),
        Column("payee_before", MONEY, nullable=False, doc="Balance; 0 of a merchant."),
        Column("payer_left", "decimal(17,2)", nullable=False, doc="What is left if it's paid; below 0 if not enough."),
        Column("share", "double", doc="Amount, of what the payer has; null where that is nothing."),
        Column("is_fraud", "boolean", nullable=False, doc="The label."),
    ],
    write=merge(on=["step", "type", "amount", "payer", "payee"]),
    sql="""
        SELECT step, type, amount, payer, payee, payer_before, payee_before, payer_before - amount AS payer_left,
               double(amount) / nullif(double(payer_before), 0) AS share, is_fraud
        FROM payments
    """,
)
