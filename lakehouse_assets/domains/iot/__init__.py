"""Machines and their sensors: a milling machine, jet engines that run to failure, and a machine's temperature.

Three public data sets, which have no machine in common. `samples/SOURCES.md` says whose they are.
"""

from datetime import timedelta

from lakehouse_assets.engine import Domain

iot = Domain(
    owner="team:reliability",
    schedule="30 4 * * *",
    freshness=timedelta(hours=26),
    doc="Every iot table, from the readings that have landed to failure rates and lives of engines.",
)
