"""Selling to customers: subscribers of a telephone company, buyers of CDs, and the invoices of a gift shop.

Three public data sets, which have no customer in common. `samples/SOURCES.md` says whose they are.
"""

from datetime import timedelta

from lakehouse_assets.engine import Domain

ecommerce = Domain(
    owner="team:ecommerce",
    schedule="0 4 * * *",
    freshness=timedelta(hours=26),
    doc="Every ecommerce table, from what has landed to sales, customers' value and churn.",
)
