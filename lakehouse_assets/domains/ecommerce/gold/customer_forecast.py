"""How often each customer of CDNOW will buy in the next 39 weeks, as the champion has it at the end of the first 39."""

from lakehouse_assets.engine import Column, score

customer_forecast = score(
    model="models.lifetime_value",
    rows="gold.customer_value",
    keep=[
        Column("customer_id", "string", key=True),
        Column("frequency", "bigint", nullable=False, doc="Days with a purchase, but for the first."),
        Column("monetary", "double", doc="Mean dollars of a day with a repetition; null where there is none."),
    ],
)
