"""How many subscribers of the telephone company left in the last month, by their contract, and what they paid."""

from lakehouse_assets.engine import Column, between, fail, refresh, sql_table

churn_by_contract = sql_table(
    subscribers="silver.subscribers",
    columns=[
        Column("contract", "string", key=True, doc="Month-to-month, One year or Two year."),
        Column("subscribers", "bigint", nullable=False, doc="With those who left."),
        Column("churned", "bigint", nullable=False),
        Column("churn_rate", "double", nullable=False),
        Column("mean_tenure_months", "double", nullable=False),
        Column("mean_monthly_charges", "double", nullable=False, doc="Dollars."),
        Column("lost_monthly_charges", "decimal(22,2)", nullable=False, doc="Dollars a month of those who left."),
    ],
    expect=[fail(between("churn_rate", 0, 1))],
    write=refresh(by="contract"),
    sql="""
        SELECT contract, count(*) AS subscribers, count_if(churned) AS churned,
               count_if(churned) / count(*) AS churn_rate, avg(tenure_months) AS mean_tenure_months,
               avg(double(monthly_charges)) AS mean_monthly_charges,
               sum(CASE WHEN churned THEN monthly_charges ELSE 0 END) AS lost_monthly_charges
        FROM subscribers GROUP BY contract
    """,
)
