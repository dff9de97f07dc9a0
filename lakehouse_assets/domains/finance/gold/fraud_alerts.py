"""What two simple alerts on mobile payments would have found, per day of the simulation.

One is the simulation's own flag. The other is raised by a transfer or a withdrawal of all that the account has, which
can be told before it's paid. Precision is that of the rows that have landed; among all payments it's lower.
"""

from lakehouse_assets.engine import Column, fail, refresh, sql_table

fraud_alerts = sql_table(
    payments="silver.payments",
    columns=[
        Column("day", "int", key=True, doc="From 1."),
        Column("payments", "bigint", nullable=False),
        Column("frauds", "bigint", nullable=False),
        Column("flagged", "bigint", nullable=False, doc="By the simulation's rule."),
        Column("alerts", "bigint", nullable=False, doc="Payments that empty the account."),
        Column("caught", "bigint", nullable=False, doc="Alerts that are fraud."),
        Column("precision", "double", doc="Caught, of the alerts; null on a day without."),
        Column("recall", "double", doc="Caught, of the frauds; null on a day without."),
        Column("missed_amount", "decimal(26,2)", nullable=False, doc="Of the frauds that raise no alert."),
    ],
    expect=[fail("caught <= alerts"), fail("caught <= frauds")],
    write=refresh(by="day"),
    sql="""
        WITH judged AS (
            SELECT *, int((step - 1) DIV 24) + 1 AS day,
                   type IN ('TRANSFER', 'CASH_OUT') AND amount = payer_before AS alert
            FROM payments
        )
        SELECT day, count(*) AS payments, count_if(is_fraud) AS frauds, count_if(is_flagged) AS flagged,
               count_if(alert) AS alerts, count_if(alert AND is_fraud) AS caught,
               count_if(alert AND is_fraud) / nullif(count_if(alert), 0) AS precision,
               count_if(alert AND is_fraud) / nullif(count_if(is_fraud), 0) AS recall,
               sum(CASE WHEN is_fraud AND NOT alert THEN amount ELSE 0 END) AS missed_amount
        FROM judged GROUP BY day
    """,
)
