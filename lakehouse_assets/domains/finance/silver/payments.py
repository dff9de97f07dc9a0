"""Mobile payments of a simulated month (PaySim), one row each, with which are fraud.

Mind the base rate: of the 6.4 million payments that are published 0.13 % are fraud, while a sample may have far more.
The balances after a payment tell of the fraud itself, and are no input of a prediction. In most rows they don't add
up. Payments have no number of their own: two of an hour with equal accounts, type and amount are taken for one.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, between, drop, merge, one_of, table, typed, warn

NAMES = {
    "step": "step",
    "type": "type",
    "amount": "amount",
    "nameOrig": "payer",
    "oldbalanceOrg": "payer_before",
    "newbalanceOrig": "payer_after",
    "nameDest": "payee",
    "oldbalanceDest": "payee_before",
    "newbalanceDest": "payee_after",
    "isFraud": "is_fraud",
    "isFlaggedFraud": "is_flagged",
}
FLAGS = ("isFraud", "isFlaggedFraud")
MONEY = "decimal(16,2)"


@table(
    raw="bronze.payments",
    columns=[
        Column("step", "int", key=True, doc="Hour of the simulation, from 1."),
        Column("type", "string", key=True, doc="CASH_IN, CASH_OUT, DEBIT, PAYMENT or TRANSFER."),
        Column("amount", MONEY, key=True),
        Column("payer", "string", key=True, doc="Account: like a person's, though simulated."),
        Column("payer_before", MONEY, nullable=False, doc="Balance."),
        Column("payer_after", MONEY, nullable=False, doc="Balance; tells of the fraud."),
        Column("payee", "string", key=True, doc="Account; M is a merchant's, whose balances are 0."),
        Column("payee_before", MONEY, nullable=False, doc="Balance."),
        Column("payee_after", MONEY, nullable=False, doc="Balance; tells of the fraud."),
        Column("is_fraud", "boolean", nullable=False),
        Column("is_flagged", "boolean", nullable=False, doc="By the simulation's own rule."),
    ],
    expect=[
        typed(),
        drop(between("step", 1, 744)),
        drop("amount >= 0"),
        drop(one_of("type", "CASH_IN", "CASH_OUT", "DEBIT", "PAYMENT", "TRANSFER")),
        warn("NOT is_fraud OR type IN ('TRANSFER', 'CASH_OUT')", name="fraud_takes_money_out"),
        warn("abs(payer_before - amount - payer_after) <= 0.01", name="balances_add_up"),
    ],
    write=merge(on=["step", "type", "amount", "payer", "payee"], newest="_ingested_at"),
)
def payments(raw: DataFrame) -> DataFrame:
    # A flag may be written as 1 or 1.0.
    named = [
        (F.regexp_replace(cell, r"\.0$", "") if cell in FLAGS else F.col(cell)).alias(name)
        for cell, name in NAMES.items()
    ]
    return raw.select(*named, "_source", "_ingested_at")
