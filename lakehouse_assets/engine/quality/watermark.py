"""Rows behind their table's watermark: they wait in quarantine until they are brought in together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_rs import select
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.quality.quarantine import latest
from lakehouse_assets.engine.spec.expectations import ON_TIME
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.engine.spec.texts import literal


@dataclass(frozen=True)
class Late:
    """How many late rows wait in a version of the quarantine, by the day of their time (ISO)."""

    days: Mapping[str, int]
    version: int


def behind(table: Table, own: TableLog | None) -> Table:
    """The table with the watermark that it has come to.

    Raises:
        LakehouseError: its newest row lies so far in the future that there is no watermark.
    """
    mark = table.watermark
    if mark is None or own is None:
        return table
    try:
        newest = select(own.table, "stored", f"SELECT max(`{mark.column}`) AS newest FROM stored")[0]["newest"]
        value = None if newest is None else newest - mark.delay
    except (OverflowError, ValueError) as error:
        raise LakehouseError(
            f"Finding the watermark of {table.key}: the newest `{mark.column}` lies beyond the year 9999; delete that "
            "row, and add an expectation that drops such rows"
        ) from error
    return table if value is None else at(table, f"CAST({literal(str(value))} AS {_kind(table, mark.column)})")


def at(table: Table, value: str) -> Table:
    """The table with a watermark, as SQL, that it had come to."""
    return replace(table, watermark=replace(table.watermark, behind=value)) if table.watermark else table


def late_rows(table: Table, lake: Lake) -> Late:
    """The rows in a table's quarantine that are late, whatever else is wrong with them."""
    log = read_log(lake.quarantine(table.key))
    if log is None or table.watermark is None:
        return Late({}, -1)
    query = f"SELECT row FROM ({latest('kept')}) AS waiting WHERE array_has(broken, '{ON_TIME}')"
    rows = [json.loads(found["row"]) for found in select(log.table, "kept", query)]
    return Late(Counter(str(row[table.watermark.column]).strip()[:10] for row in rows), log.version)


def _kind(table: Table, column: str) -> str:
    return next(c.type for c in table.columns if c.name == column)
