"""Brings one table up to date on the Spark session of the cluster it runs on.

    python -m dbfs_jobs.run_asset airlines.silver.flights --lake abfss://… --landing abfss://… [--full]

Prints its report as one line of JSON (`engine/run/report.py`). Ends with an error, and a trace, if the table could not
be brought up to date.
"""

from __future__ import annotations

import argparse

from pyspark.sql import SparkSession

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import UnknownTable
from lakehouse_assets.engine.run.materialize import materialize
from lakehouse_assets.engine.run.plain_json import to_json
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.resources.azure import lake_at
from lakehouse_assets.resources.spark import configured


def main() -> None:
    """Parse the arguments, run the table, say what was done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", help="domain.layer.name")
    parser.add_argument("--lake", required=True, help="root of the Delta tables")
    parser.add_argument("--landing", required=True, help="root of the landing folders")
    parser.add_argument("--full", action="store_true", help="rebuild the table")
    given = parser.parse_args()
    stores = (given.lake, given.landing)
    context = Context(
        open_lakehouse(), lake_at(*stores), lambda: configured(SparkSession.builder.getOrCreate(), stores)
    )
    try:
        report = materialize(Request(given.table, full=given.full), context)
    except UnknownTable as error:
        parser.error(str(error))
    print(to_json(report))


if __name__ == "__main__":
    main()
