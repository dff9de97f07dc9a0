"""Fraud in card transactions and in mobile payments.

Neither data set may be passed on with this project, so `lakehouse land finance --from FOLDER` takes in the files that
somebody has. Tables tell of what has landed: samples of them have far more fraud than the whole has.
"""

from datetime import timedelta

from lakehouse_assets.engine import Domain

finance = Domain(
    owner="team:finance",
    schedule="0 5 * * *",
    freshness=timedelta(hours=26),
    doc="Every finance table, from transactions that have landed to where fraud is found.",
)
