"""Snapshots that can't be meant are held back: one that lacks most keys, and one most of whose rows are rejected.

What looks like the deletion of nearly everything is more often a dump that broke off or came in another format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import CheckFailed
from lakehouse_assets.engine.graph.discover import full_key
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.plan.plan import Plan, Read
from lakehouse_assets.engine.plan.read import lost_keys
from lakehouse_assets.engine.quality import judge
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.spec.checks import SNAPSHOTS_PLAUSIBLE
from lakehouse_assets.engine.spec.inputs import Upstream
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Of the rows that a run makes of snapshots; where more are rejected, the dump isn't what the table's function expects.
REJECTED = 0.5


def hold_back(plan: Plan, rows: DataFrame, lake: Lake, spark: SparkSession) -> None:
    """Refuse snapshots that can't be meant, unless that was accepted; `rows` are what a run makes of them.

    A rebuild isn't held up by snapshots of the past: it has to prove that it keeps what there is. Other runs pay a job
    that counts keys, and one that judges the rows before they're written: a write can't be taken back.

    Raises:
        CheckFailed: one lacks too many keys, or too many rows are rejected.
    """
    table = plan.table
    first = plan.strategy == "full" and read_log(lake.table(table.key)) is None
    if not table.snapshots or plan.accepts_loss or (plan.strategy == "full" and not first):
        return
    for read in plan.reads.values():
        if read.upstream.snapshot_on:
            _refuse_losses(table, read, spark)
    seen = judge.tally(rows, table.expectations)
    if seen.rejected > max(1, REJECTED * seen.judged):
        what = f"{seen.rejected:,} of the {seen.judged:,} rows that come of it would be rejected"
        raise _held_back(table, next(r for r in plan.reads.values() if r.upstream.snapshot_on), what)


def _refuse_losses(table: Table, read: Read, spark: SparkSession) -> None:
    most = read.upstream.snapshot_loses
    for at, keys, gone in lost_keys(spark, read):
        if gone > max(1, most * keys):
            what = f"the snapshot {at} lacks {gone:,} of the {keys:,} keys of the one before, and {most:.0%} may go"
            raise _held_back(table, read, what)


def _held_back(table: Table, read: Read, what: str) -> CheckFailed:
    return CheckFailed(
        f"Bringing snapshots of {read.key} into {table.key}: {what}; nothing was written. If that is right, give "
        f"`lakehouse run {table.key} --accept-loss`; if not, `lakehouse forget {read.key} FILE` takes the snapshot out",
        SNAPSHOTS_PLAUSIBLE,
    )


def empty_snapshot(table: Table, lake: Lake) -> str | None:
    """The newest file of snapshots if it has no row, so that the table still has what the one before it says."""
    for upstream in table.snapshots:
        newest = _newest(full_key(table, upstream.table), upstream, lake)
        if newest:
            return newest
    return None


def _newest(key: str, upstream: Upstream, lake: Lake) -> str | None:
    done = sorted(Ledger(lake.arrivals(key), lake.storage).state().where("done"), key=lambda e: (e.batch, e.path))
    last = [e for e in done if e.batch == done[-1].batch]
    if upstream.snapshot_at == "_source":
        last = last[-1:]
    return last[0].path if last and not any(e.rows for e in last) else None
