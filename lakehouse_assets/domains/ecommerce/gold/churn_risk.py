"""The chance that each subscriber of the telephone company leaves within the month, as the champion has it."""

from lakehouse_assets.engine import Column, between, fail, score

churn_risk = score(
    model="models.churn",
    rows="silver.subscribers",
    keep=[
        Column("customer_id", "string", key=True),
        Column("contract", "string", nullable=False, doc="Month-to-month, One year or Two year."),
        Column("monthly_charges", "decimal(10,2)", nullable=False, doc="Dollars."),
    ],
    expect=[fail(between("score", 0, 1), name="a_probability")],
)
