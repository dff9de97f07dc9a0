"""A table brought up to date with what it reads, or made anew: the steps of a run, in their order (see materialize.py).

A run may end at any point. What it leaves undone is found by the next one: a batch that was planned and not marked,
a quarantine or a state that is one run behind its table.
"""

from __future__ import annotations

from dataclasses import replace

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import UnreadableInput
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.modes.commit import commit, settle
from lakehouse_assets.engine.modes.refresh.refresh import narrowed
from lakehouse_assets.engine.modes.refresh.routes import as_json
from lakehouse_assets.engine.modes.work import Work
from lakehouse_assets.engine.plan.plan import Logs, Plan, rebuilding
from lakehouse_assets.engine.plan.planner import plan_table
from lakehouse_assets.engine.plan.read import all_recorded, inputs_of, readable
from lakehouse_assets.engine.plan.small_runs import interpreted, size
from lakehouse_assets.engine.quality.snapshots import hold_back
from lakehouse_assets.engine.quality.watermark import behind
from lakehouse_assets.engine.query.column_lineage import column_lineage
from lakehouse_assets.engine.query.query_plan import analysed, if_understood
from lakehouse_assets.engine.run.build import build
from lakehouse_assets.engine.run.ingest import messages
from lakehouse_assets.engine.run.outcome import Outcome, until_committed
from lakehouse_assets.engine.run.recover import recover
from lakehouse_assets.engine.run.trace import traced
from lakehouse_assets.engine.spark_errors.explained import explained
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.engine.spec.texts import RAW


def update(
    table: Table, context: Context, full: bool = False, accept_loss: bool = False, *, by_hand: bool = True
) -> Outcome:
    """Bring a table up to date with what it reads, or rebuild it if `full`.

    With `accept_loss` a rebuild may leave out rows and versions that can't be had again, snapshots that look wrong are
    taken in, and so is what others did to the quarantine of a table of files. Unless `by_hand`, what others did to the
    table is left for a later run to mend.

    Raises:
        LakehouseError: an expectation declared with `fail` was broken, a rebuild failed a check or would lose rows, the
            contract doesn't hold, files can't be read, Spark isn't there, or other runs kept committing first.
    """
    if table.topic:
        return until_committed(lambda: messages.ingest(table, context))
    if table.source:
        return until_committed(lambda: _arrivals(table, context, Logs(context.lake, by_hand), full, accept_loss))
    return until_committed(lambda: _attempt(table, context, Logs(context.lake, by_hand), full, accept_loss))


def _arrivals(table: Table, context: Context, logs: Logs, full: bool, accept_loss: bool) -> Outcome:
    from lakehouse_assets.engine.run.ingest.ingest import bring_back, ingest  # which loads PySpark

    why = "" if full else bring_back(table, context, accept_loss)
    recover(table, context, logs)
    done = ingest(table, context, full, accept_loss)
    return replace(done, plan=replace(done.plan, reason=why)) if why else done


def _attempt(table: Table, context: Context, logs: Logs, full: bool, accept_loss: bool) -> Outcome:
    lost = ""
    try:
        recover(table, context, logs)
    except UnreadableInput as error:
        lost = f"what its last run rejected can't be found again: {error}"
    plan = plan_table(table, context.lakehouse, logs, full or bool(lost))
    if plan.strategy == "nothing":
        return Outcome(plan, 0)
    plan = replace(plan, reason=lost or plan.reason, accepts_loss=accept_loss)
    if plan.strategy == "full":
        return execute(plan, context)
    try:
        return execute(replace(plan, table=behind(plan.table, logs.table(table.key))), context)
    except UnreadableInput as error:
        return execute(rebuilding(plan, str(error)), context)


def execute(plan: Plan, context: Context, *, bound: bool = False) -> Outcome:
    """Carry out a plan against upstream tables: one commit to the table, then what belongs to it.

    `bound` is for a refresh that isn't to become a rebuild, whatever it costs.

    Raises:
        UnreadableInput: what it is to read of a table isn't there any more.
    """
    table, spark = plan.table, context.session()
    feeds = readable(spark, plan.reads.values())
    with traced(plan, context), explained(table), interpreted(spark, size(plan, context.lake)), feeds:
        rows = build(spark, table, inputs_of(spark, plan))
        tree = analysed(rows)
        hold_back(plan, rows, context.lake, spark)
        with narrowed(Work(plan, rows, context.lake), tree, bound=bound) as work:
            done = commit(work, _stamp(work))
            settle(work.rows, work.plan, done.seen, context.lake)
    found = if_understood(lambda: column_lineage(tree, set(context.lakehouse.tables))) if tree else None
    lineage = {column: origin for column, origin in (found or {}).items() if column != RAW}
    return Outcome(work.plan, 0, done.version, done.seen, lineage, audited=done.audited)


def _stamp(work: Work) -> Stamp:
    table = work.plan.table
    stamp = Stamp.of(table, work.plan.run, all_recorded(work.plan), as_json(work.routes))
    days = tuple(day.isoformat() for day in work.plan.days or ())
    watermark = table.watermark.behind if table.watermark else ""
    return replace(stamp, watermark=watermark, days=days, forgot=work.plan.forgot)
