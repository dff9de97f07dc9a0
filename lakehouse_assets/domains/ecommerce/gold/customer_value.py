"""What each customer of CDNOW bought in the first 39 weeks, from which the next 39 can be told; and what came of it.

The columns are those of BG/NBD and Gamma-Gamma models. Purchases of a day are one; the first doesn't count as a
repetition. Time is in weeks. The 39 weeks end on 30 September 1997; the next 39 end on 30 June 1998.
"""

from lakehouse_assets.engine import Column, fail, refresh, sql_table

customer_value = sql_table(
    purchases="silver.purchases",
    columns=[
        Column("customer_id", "string", key=True),
        Column("first_purchase_on", "date", nullable=False),
        Column("frequency", "bigint", nullable=False, doc="Days of the 39 weeks with a purchase, but for the first."),
        Column("recency", "double", nullable=False, doc="Weeks from the first purchase to the last of the 39 weeks."),
        Column("observed", "double", nullable=False, doc="Weeks from the first purchase to the end of the 39: T."),
        Column("monetary", "double", doc="Mean dollars of a day with a repetition; null where there is none."),
        Column("next_purchases", "bigint", nullable=False, doc="Days with a purchase in the next 39 weeks: a label."),
        Column("next_amount_usd", "double", nullable=False, doc="Dollars paid in the next 39 weeks: a label."),
    ],
    expect=[fail("frequency >= 0"), fail("recency <= observed"), fail("(frequency = 0) = (recency = 0)")],
    write=refresh(by="customer_id"),
    sql="""
        WITH days AS (
            SELECT customer_id, purchased_on, sum(amount_usd) AS amount, purchased_on <= DATE'1997-09-30' AS known
            FROM purchases WHERE purchased_on <= DATE'1998-06-30' GROUP BY customer_id, purchased_on
        ),
        customers AS (
            SELECT customer_id, min(purchased_on) AS first, max(CASE WHEN known THEN purchased_on END) AS last,
                   count_if(known) - 1 AS frequency, min_by(amount, purchased_on) AS first_amount,
                   sum(CASE WHEN known THEN amount ELSE 0 END) AS amount,
                   count_if(NOT known) AS next_purchases, sum(CASE WHEN known THEN 0 ELSE amount END) AS next_amount
            FROM days GROUP BY customer_id
        )
        SELECT customer_id, first AS first_purchase_on, frequency, datediff(last, first) / 7 AS recency,
               datediff(DATE'1997-09-30', first) / 7 AS observed,
               double(amount - first_amount) / nullif(frequency, 0) AS monetary,
               next_purchases, double(next_amount) AS next_amount_usd
        FROM customers WHERE last IS NOT NULL
    """,
)
