"""The state of a table beyond its rows, in a Delta table beside it, so that what arrives late finds its place.

Of a `merge` it's which keys were deleted and when, and all events of keys of which one left a value untold; of a
`history` every event. It's written after the table, under the transaction of the same run; a run that ended in between
is completed by the next one (see run/recover.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_write import once
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.lake.tables import read_rows, write_table
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class StatePart:
    """What a run, or a replay, adds to what a table remembers, as the transaction `run` of `app`.

    A `fresh` one is all that's remembered. `before` is the version of the table that it came to; None as long as that
    is the last one.
    """

    table: Table
    lake: Lake
    app: str
    run: int
    fresh: bool = False
    before: int | None = None


def read_state(spark: SparkSession, table: Table, lake: Lake) -> DataFrame | None:
    """What is remembered; None if nothing was yet."""
    kept = lake.state(table.key)
    return None if read_log(kept) is None else read_rows(spark, kept)


def last_run(table: Table, lake: Lake) -> int:
    """The last run whose part is remembered."""
    log = read_log(lake.state(table.key))
    return log.transaction(table.key) if log else 0


def write_state(rows: DataFrame, part: StatePart) -> None:
    """Add the part of a run, or of a replay, unless it's there; `fresh` forgets what was before."""
    mode: Literal["append", "overwrite"] = "overwrite" if part.fresh else "append"
    write_table(rows, part.lake.state(part.table.key), mode, once(part.app, part.run))


def lost(own: TableLog, kept: TableLog | None) -> bool:
    """Whether there is no state, though runs before the last one wrote to it."""
    return kept is None and any(run.get("remembers") for run in own.earlier_runs)
