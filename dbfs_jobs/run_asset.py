"""Brings tables up to date, one after the other, on the Spark session of the cluster it runs on.

    lakehouse-run-asset airlines.silver.flights --lake abfss://… --landing abfss://… [--full]

Prints the report of each as one line of JSON (`engine/run/report.py`). Ends with an error, and a trace, at the first
table that could not be brought up to date.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from dbfs_jobs.places import add_places, opened
from dbfs_jobs.telling import telling
from lakehouse_assets.engine.errors import LakehouseError, UnknownTable
from lakehouse_assets.engine.run.materialize import materialize
from lakehouse_assets.engine.run.plain_json import failure_of, from_json
from lakehouse_assets.engine.run.request import Request


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments, run the tables, say what was done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help="domain.layer.name, in the order in which they run")
    parser.add_argument("--full", action="store_true", help="rebuild the tables")
    parser.add_argument("--request", action="append", default=[], help="a request as JSON, in place of a table's name")
    add_places(parser)
    given = parser.parse_args(arguments)
    requests = [Request(table, full=given.full) for table in given.tables]
    requests += [from_json(Request, text) for text in given.request]
    if not requests:
        parser.error("name a table")
    try:
        _run(requests, given)
    except UnknownTable as error:
        parser.error(str(error))


def _run(requests: Sequence[Request], given: argparse.Namespace) -> None:
    with telling() as tell:
        try:
            context = opened(given)
            for request in requests:
                tell(materialize(request, context))
        except LakehouseError as error:
            tell(failure_of(error))
            raise


if __name__ == "__main__":
    main()
