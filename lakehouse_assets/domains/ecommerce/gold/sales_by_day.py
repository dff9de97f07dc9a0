"""Sales of the gift shop per day and country, in pounds: what was sold, what was cancelled, and what is left of it.

A line that an invoice has twice counts twice, as the customer paid for both. Who bought is known for three lines in
four, so there are more buyers than `customers` has.
"""

from lakehouse_assets.engine import Column, fail, refresh, sql_table

sales_by_day = sql_table(
    lines="silver.order_lines",
    columns=[
        Column("day", "date", key=True),
        Column("country", "string", key=True),
        Column("orders", "bigint", nullable=False, doc="Invoices that aren't cancellations or adjustments."),
        Column("cancellations", "bigint", nullable=False, doc="Invoices that are."),
        Column("customers", "bigint", nullable=False, doc="Who ordered, of those that are named."),
        Column("units", "bigint", nullable=False, doc="Ordered."),
        Column("sales", "decimal(28,3)", nullable=False, doc="Of the orders."),
        Column("cancelled", "decimal(28,3)", nullable=False, doc="Below zero."),
        Column("adjusted", "decimal(28,3)", nullable=False, doc="For bad debt."),
        Column("net_sales", "decimal(28,3)", nullable=False, doc="All three together."),
        Column("mean_order", "double", doc="Sales by orders; null on a day without orders."),
    ],
    expect=[fail("sales >= 0"), fail("cancelled <= 0"), fail("sales + cancelled + adjusted = net_sales")],
    write=refresh(by="day"),
    sql="""
        WITH of_orders AS (
            SELECT *, date(invoiced_at) AS day, invoice NOT LIKE 'C%' AND invoice NOT LIKE 'A%' AS ordered FROM lines
        )
        SELECT day, country,
               count(DISTINCT CASE WHEN ordered THEN invoice END) AS orders,
               count(DISTINCT CASE WHEN cancelled THEN invoice END) AS cancellations,
               count(DISTINCT CASE WHEN ordered THEN customer_id END) AS customers,
               sum(CASE WHEN ordered AND quantity > 0 THEN quantity ELSE 0 END) AS units,
               sum(CASE WHEN ordered THEN amount ELSE 0 END) AS sales,
               sum(CASE WHEN cancelled THEN amount ELSE 0 END) AS cancelled,
               sum(CASE WHEN invoice LIKE 'A%' THEN amount ELSE 0 END) AS adjusted,
               sum(amount) AS net_sales,
               double(sum(CASE WHEN ordered THEN amount ELSE 0 END))
                   / nullif(count(DISTINCT CASE WHEN ordered THEN invoice END), 0) AS mean_order
        FROM of_orders GROUP BY day, country
    """,
)
