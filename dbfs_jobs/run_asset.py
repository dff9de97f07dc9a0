"""Brings tables up to date, one after the other, on the Spark session of the cluster it runs on.

    lakehouse-run-asset airlines.silver.flights --lake abfss://… --landing abfss://… [--full]

Prints the report of each as one line of JSON (`engine/run/report.py`), or why it failed. What reads a table that
failed, or that has a broken check which blocks, is left as it is. Ends with the first error, and its trace.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from traceback import format_exception, format_exception_only

from dbfs_jobs.files import read
from dbfs_jobs.places import add_places, opened
from dbfs_jobs.telling import telling
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError, UnknownTable
from lakehouse_assets.engine.run.materialize import materialize
from lakehouse_assets.engine.run.plain_json import failure_of, from_json
from lakehouse_assets.engine.run.reporting import holds_back
from lakehouse_assets.engine.run.request import Request


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments, run the tables, say what was done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help="domain.layer.name, in the order in which they run")
    parser.add_argument("--full", action="store_true", help="rebuild the tables")
    parser.add_argument("--requests", help="a file or URL of requests as JSON, one a line")
    parser.add_argument("--after-task", action="store_true", help="look at what the tables' own tasks have made")
    add_places(parser)
    given = parser.parse_args(arguments)
    if not given.tables and not given.requests:
        parser.error("name a table")
    context = opened(given)  # which takes the secrets that lead to a URL
    try:
        _run(_requests(given), context)
    except UnknownTable as error:
        parser.error(str(error))


def _requests(given: argparse.Namespace) -> list[Request]:
    since = "" if given.after_task else None
    named = [Request(table, full=given.full, made_since=since) for table in given.tables]
    lines = read(given.requests).splitlines() if given.requests else []
    return named + [from_json(Request, line) for line in lines]


def _run(requests: Sequence[Request], context: Context) -> None:
    held, failures = set[str](), list[LakehouseError]()
    for request in requests:
        if held & _upstreams(request.table, context):
            held.add(request.table)  # as Dagster does, by whose steps it isn't asked for then
            continue
        with telling(request.table) as tell:
            try:
                report = materialize(request, context)
            except (Exception, SystemExit) as error:  # noqa: BLE001  (a table's function may raise anything)
                failures.append(_explained(request.table, error))
                tell(failure_of(failures[-1]))
                held.add(request.table)
            else:
                tell(report)
                table = context.lakehouse.tables.get(request.table)
                if table and holds_back(report, table):
                    held.add(request.table)
    if failures:
        raise failures[0]


def _explained(table: str, error: BaseException) -> LakehouseError:
    """An error as it's told; one that isn't our own with its trace, as no other table has to suffer from it."""
    if isinstance(error, LakehouseError):
        return error
    why, trace = ("".join(lines).splitlines() for lines in (format_exception_only(error), format_exception(error)))
    made = LakehouseError(f"Running {table}: {why[0]}; mend the table's function", trace)
    made.__cause__ = error
    return made


def _upstreams(key: str, context: Context) -> set[str]:
    return {*context.lakehouse.reads(key)} if key in context.lakehouse.assets else set()


if __name__ == "__main__":
    main()
