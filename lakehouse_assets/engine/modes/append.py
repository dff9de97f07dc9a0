"""`append`: new rows are added to those that are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake import delta_write, small_writes
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.modes.replace import rebuild
from lakehouse_assets.engine.modes.work import Done, Work, committed, small_target

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def write(rows: DataFrame, work: Work, stamp: Stamp) -> Done:
    """Add the rows, or put them in the place of all there are."""
    if work.whole:
        return rebuild(rows, work, stamp)
    if not _by_delta_rs(rows, work, stamp):
        delta_write.append(rows, work.place, stamp)
    return Done(committed(work, stamp))


def _by_delta_rs(rows: DataFrame, work: Work, stamp: Stamp) -> bool:
    log = small_target(rows, work)
    return log is not None and small_writes.append(rows.toArrow(), work.place, stamp)
