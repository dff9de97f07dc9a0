"""Compacts tables and deletes files that they have no more use for, on the Spark session of the cluster it runs on.

    lakehouse-maintain airlines netflix.gold.dim_title --lake abfss://… --landing abfss://… [--keep-days 30]

Prints what became of the files of each table as one line of JSON (`engine/run/maintain.py`). Ends with 1 if one failed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

from dbfs_jobs.places import add_places, opened
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError, UnknownTable
from lakehouse_assets.engine.run.maintain import KEEP_DAYS, maintain, require_keepable
from lakehouse_assets.engine.run.plain_json import to_json


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments, maintain the tables, say what was done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help="domain.layer.name, domain.layer or domain; all if none is named")
    parser.add_argument("--keep-days", type=int, default=KEEP_DAYS, help="how long files stay that are out of a table")
    add_places(parser)
    given = parser.parse_args(arguments)
    try:
        require_keepable(given.keep_days)
        context = opened(given)
        keys = _chosen(given.tables, context)
    except LakehouseError as error:
        parser.error(str(error))
    if not _all_maintained(keys, context, given.keep_days):
        sys.exit(1)


def _chosen(names: Sequence[str], context: Context) -> list[str]:
    """The tables of ours that are named, or below a name.

    Raises:
        UnknownTable: there is none, or it has a problem.
    """
    tables, left_out = context.lakehouse.runnable, context.lakehouse.left_out
    for name in names:
        if not _below(name, tables):
            whys = [f"{key} isn't loaded: {left_out[key]}" for key in _below(name, left_out)]
            whys += [f"{key} is left to its owners" for key in _below(name, context.lakehouse.tables)]
            why = next(iter(whys), "")
            raise UnknownTable(
                f"Maintaining {name!r}: {why or f'no table is called that; there are {_listed(tables)}'}"
            )
    return list(dict.fromkeys(key for name in names for key in _below(name, tables))) if names else [*tables]


def _all_maintained(keys: Sequence[str], context: Context, keep_days: int) -> bool:
    well = True
    for key in keys:
        done = maintain(context.lakehouse.tables[key], context, keep_days)
        print(to_json(done), flush=True)
        well = well and not done.failed
    return well


def _below(name: str, keys: Iterable[str]) -> list[str]:
    return [key for key in keys if f"{key}.".startswith(f"{name}.")]


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(keys)


if __name__ == "__main__":
    main()
