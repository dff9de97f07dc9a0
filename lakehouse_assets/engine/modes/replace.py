"""`replace`, and a rebuild in any other mode: the rows take the place of all there are, once they're audited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake import delta_write
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.kept_rows import persisted
from lakehouse_assets.engine.modes.work import Done, Work, committed
from lakehouse_assets.engine.quality.audit import audit, needs_audit

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def rebuild(rows: DataFrame, work: Work, stamp: Stamp) -> Done:
    """Put the rows in place; they're computed once, though the audit reads them too."""
    if _stored(work) is None:
        return put(rows, work, stamp)
    with persisted(rows, work.lake) as made:
        return put(made, work, stamp)


def put(rows: DataFrame, work: Work, stamp: Stamp) -> Done:
    """Put rows in place that are cheap to read often."""
    stored = _stored(work)
    audited = audit(rows, stored, work.plan, work.lake, work.spark) if stored else frozenset[str]()
    delta_write.overwrite(rows, work.place, stamp)
    return Done(committed(work, stamp), audited)


def _stored(work: Work) -> TableLog | None:
    """What a rebuild has to be audited against; None for a first build, for files, whose ledger was looked at, and
    where there is nothing to audit.
    """
    return read_log(work.place) if work.table.source is None and needs_audit(work.plan) else None
