"""Brings one table up to date on the Spark session of the cluster it runs on.

    python -m dbfs_jobs.run_asset airlines.silver.flights --lake abfss://… --landing abfss://… [--full]

Prints what it did as one line of JSON; ends with an error, and a trace, if the table could not be brought up to date.
"""

from __future__ import annotations

import argparse
import json

from pyspark.sql import SparkSession

from lakehouse_assets.definitions import DOMAINS
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.graph.validate import load
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.engine.run.materialize import materialize
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
    lakehouse = load(DOMAINS, strict=False)
    if given.table in lakehouse.left_out:
        parser.error(printable(f"{given.table} isn't loaded: {lakehouse.left_out[given.table]}"))
    if given.table not in lakehouse.tables:
        parser.error(f"no table is called {given.table!r}; there are {', '.join(lakehouse.tables)}")
    context = Context(
        lakehouse,
        lake_at(given.lake, given.landing),
        lambda: configured(SparkSession.builder.getOrCreate(), (given.lake, given.landing)),
    )
    outcome = materialize(lakehouse.tables[given.table], context, given.full)
    verdicts = outcome.counts
    print(
        json.dumps(
            {
                "table": given.table,
                "strategy": outcome.plan.strategy,
                "version": outcome.version,
                "judged": verdicts.judged,
                "rejected": verdicts.rejected,
            }
        )
    )


if __name__ == "__main__":
    main()
