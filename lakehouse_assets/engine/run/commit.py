"""Steps 3 and 4 together: rows are judged as they're written, in one commit; what belongs to it is written after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakehouse_assets.engine.delta_log import read_log
from lakehouse_assets.engine.lake import Lake
from lakehouse_assets.engine.modes import History, Merge, Refresh
from lakehouse_assets.engine.run import check, memory, quarantine, refresh, scd1, scd2, write
from lakehouse_assets.engine.run.changes import GONE, persisted, with_gone
from lakehouse_assets.engine.run.plan import Plan
from lakehouse_assets.engine.run.prove import prove
from lakehouse_assets.engine.run.refresh import Work
from lakehouse_assets.engine.run.verdicts import Verdicts
from lakehouse_assets.engine.run.write import Stamp

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Committed:
    """What was seen in passing, the version, and the checks of the whole table that were made before."""

    seen: Verdicts
    version: int
    proven: frozenset[str] = frozenset()


def commit(work: Work, stamp: Stamp, lake: Lake, spark: SparkSession) -> Committed:
    """Write the accepted rows in one commit.

    Raises:
        Superseded: another run committed first.
    """
    from pyspark.sql import Observation

    built, plan = work.rows, work.plan
    rules, observation = plan.table.rules, Observation()
    rows = check.accepted(check.observed(check.judge(built, rules), rules, observation), rules)
    match plan.table.write:
        case Merge() as mode:
            proven = _commit_newest(rows, plan, mode, stamp, lake, spark)
        case History() as mode:
            proven = _commit_history(rows, plan, mode, stamp, lake, spark)
        case Refresh() if plan.way == "refresh":
            refresh.commit(rows, work, stamp, lake, spark)
            proven = frozenset()
        case _:
            proven = _put(rows, plan, stamp, lake, spark)
    log = read_log(lake.table(plan.table.key), lake.storage)
    return Committed(check.seen(observation, built, rules), write.committed(log, stamp), proven)


def settle(built: DataFrame, plan: Plan, seen: Verdicts, lake: Lake) -> None:
    """After the commit: fill the quarantine, and record that it's complete."""
    table, path = plan.table, lake.quarantine(plan.table.key)
    if seen.rejected:
        quarantine.keep(built, plan, path, seen, lake.storage)
    elif quarantine.has_quarantine(table):
        quarantine.mark_complete(table, path, plan.run, lake.storage, fresh=plan.way == "full")


def remember_again(built: DataFrame, plan: Plan, lake: Lake) -> None:
    """Write to memory what a run that ended too early left out."""
    table, rows = plan.table, check.accepted(check.judge(built, plan.table.rules), plan.table.rules)
    match table.write:
        case Merge() as mode:
            rows = scd1.deletions(scd1.newest_per_key(rows, table, mode), mode)
        case History() as mode:
            rows = with_gone(rows, mode)
    memory.remember(rows, table, lake, plan.run, fresh=plan.way == "full")


def _put(rows: DataFrame, plan: Plan, stamp: Stamp, lake: Lake, spark: SparkSession) -> frozenset[str]:
    if plan.way == "full":
        return _rebuild(rows, plan, stamp, lake, spark)
    write.append(rows, lake.table(plan.table.key), stamp)
    return frozenset()


def _rebuild(rows: DataFrame, plan: Plan, stamp: Stamp, lake: Lake, spark: SparkSession) -> frozenset[str]:
    """Put the rows in the place of all there are; where there are any, they have to be proven first."""
    path = lake.table(plan.table.key)
    old = read_log(path, lake.storage)
    if old is None or plan.table.source is not None:
        write.overwrite(rows, path, stamp)
        return frozenset()
    with persisted(spark, rows) as made:
        proven = prove(made, old, plan, lake, spark)
        write.overwrite(made, path, stamp)
    return proven


def _refuse_another(plan: Plan, stamp: Stamp, lake: Lake) -> None:
    """What is written to memory goes with this run's own commit.

    Raises:
        Superseded: another run committed first.
    """
    write.committed(read_log(lake.table(plan.table.key), lake.storage), stamp)


def _commit_newest(
    rows: DataFrame, plan: Plan, mode: Merge, stamp: Stamp, lake: Lake, spark: SparkSession
) -> frozenset[str]:
    table, full, proven = plan.table, plan.way == "full", frozenset[str]()
    changes = scd1.newest_per_key(rows, table, mode)
    if full and not mode.delete_when:
        return _rebuild(scd1.living(changes), plan, stamp, lake, spark)
    dead = memory.recall(spark, table, lake) if mode.delete_when and not full else None
    with persisted(spark, changes if dead is None else scd1.unless_deleted(changes, dead, table, mode)) as kept:
        forgets = full and memory.remembered(table, lake) > 0
        stamp = replace(stamp, remembers=forgets or kept.where(GONE).count() > 0)
        if full:
            proven = _rebuild(scd1.living(kept), plan, stamp, lake, spark)
        else:
            scd1.merge(spark, kept, lake.table(table.key), table, mode, stamp)
        if stamp.remembers:
            _refuse_another(plan, stamp, lake)
            memory.remember(scd1.deletions(kept, mode), table, lake, plan.run, fresh=full)
    return proven


def _commit_history(
    rows: DataFrame, plan: Plan, mode: History, stamp: Stamp, lake: Lake, spark: SparkSession
) -> frozenset[str]:
    table, path, stamp = plan.table, lake.table(plan.table.key), replace(stamp, remembers=True)
    proven = frozenset[str]()
    with persisted(spark, with_gone(rows, mode)) as events:
        if plan.way == "full":
            proven = _rebuild(scd2.versions(events, table, mode), plan, stamp, lake, spark)
        else:
            past = memory.recall(spark, table, lake)
            assert past is not None  # noqa: S101  (or the plan would say "full")
            known = scd2.of_keys(past, events, table, mode).unionByName(events, allowMissingColumns=True)
            wanted = scd2.versions(known, table, mode)
            stored = scd2.of_keys(spark.read.format("delta").load(path), events, table, mode)
            with persisted(spark, scd2.differences(wanted, stored, table, mode)) as changes:  # MERGE reads it twice
                scd2.merge(spark, changes, path, table, mode, stamp)
        _refuse_another(plan, stamp, lake)
        memory.remember(events, table, lake, plan.run, fresh=plan.way == "full")
    return proven
