"""Finds what the last run of a table left undone, and does it.

A run may end at any point: a quarantine or a state may be one run behind its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.lake import state
from lakehouse_assets.engine.lake.delta_commits import Commit
from lakehouse_assets.engine.lake.state import Part
from lakehouse_assets.engine.modes.commit import complete_state, settle
from lakehouse_assets.engine.modes.refresh.refresh import narrowed
from lakehouse_assets.engine.modes.work import Work
from lakehouse_assets.engine.plan.plan import Logs, Plan, Read, Strategy
from lakehouse_assets.engine.plan.read import read_inputs, readable, whole_inputs
from lakehouse_assets.engine.quality import judge, quarantine
from lakehouse_assets.engine.quality.watermark import at
from lakehouse_assets.engine.query.query_plan import analysed
from lakehouse_assets.engine.run.build import build
from lakehouse_assets.engine.spark_errors.explained import explained
from lakehouse_assets.engine.spec.modes import Refresh
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def recover(table: Table, context: Context, logs: Logs) -> None:
    """Complete what a run that committed its rows, and ended early, left out of quarantine and state."""
    own, kept = logs.table(table.key), logs.quarantine(table.key)
    last = own.last_run if own else None
    if own is None or last is None or last.run is None:
        return
    number = last.run["run"]
    unsettled = quarantine.is_due(table, kept, number)
    known = logs.state(table.key)
    due = bool(last.run.get("remembers")) and not state.lost(own, known)
    forgotten = due and (known.transaction(table.key) if known else 0) < number
    if unsettled or forgotten:
        _complete(table, last, context, unsettled=unsettled, forgotten=forgotten)


def _complete(table: Table, last: Commit, context: Context, *, unsettled: bool, forgotten: bool) -> None:
    run = last.run or {}
    reads = reads_of(run["read"], table, context)
    fresh = all(read.after is None for read in reads.values() if not read.lookup)
    strategy: Strategy = "full" if fresh else "refresh" if isinstance(table.write, Refresh) else "append"
    table = at(table, run.get("watermark", ""))
    days = tuple(map(date.fromisoformat, run.get("days", ())))
    plan = Plan(
        table, strategy, "completing the last run", run["run"], reads, days=(days[0], days[1]) if days else None
    )
    spark = context.session()
    with explained(table), readable(spark, reads.values()):
        built = build(spark, table, inputs_of(spark, plan))
        with narrowed(Work(plan, built, context.lake), analysed(built), bound=True) as work:
            if forgotten:
                accepted = judge.accepted(judge.judge(work.rows, table.expectations), table.expectations)
                complete_state(accepted, Part(table, context.lake, table.key, plan.run, fresh, last.version - 1))
            if unsettled:
                settle(work.rows, plan, judge.tally(work.rows, table.expectations), context.lake)


def inputs_of(spark: SparkSession, plan: Plan) -> dict[str, DataFrame]:
    """The rows that a plan reads, by parameter."""
    whole = isinstance(plan.table.write, Refresh)  # its query is that of the whole table, narrowed to some groups
    return whole_inputs(spark, plan.reads) if whole else read_inputs(spark, plan.reads)


def reads_of(read: Mapping[str, Any], table: Table, context: Context) -> dict[str, Read]:
    """What a run wrote that it had read, by parameter."""
    return {
        parameter: Read(key, context.lake.table(key), read[key]["id"], read[key]["to"], upstream, read[key]["after"])
        for (parameter, key), upstream in zip(
            context.lakehouse.upstreams(table).items(), table.upstreams.values(), strict=True
        )
        if key in read
    }
