"""Rejected rows judged again by the expectations as they are now; those that pass go on into the table, exactly once.

A replay is one commit to the table, by the table's own write mode, so that a row that comes late finds its place. Its
number is the transaction version of an application of its own, in the table, its state and its quarantine: the runs
of the table don't notice it. What it judged and by which expectations is in the commit, so that one that ended early
can be completed by whatever runs next.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.kept_rows import persisted
from lakehouse_assets.engine.modes.commit import commit
from lakehouse_assets.engine.modes.work import Work
from lakehouse_assets.engine.plan.plan import Logs, Plan
from lakehouse_assets.engine.quality import judge, quarantine
from lakehouse_assets.engine.run.outcome import Outcome, until_committed
from lakehouse_assets.engine.run.recover import recover
from lakehouse_assets.engine.run.replay.rows import Judging, app_of, rows_of, settle_replay, waiting_rows
from lakehouse_assets.engine.run.trace import traced
from lakehouse_assets.engine.spark_errors.explained import explained
from lakehouse_assets.engine.spec.modes import VALIDITY, Refresh, Replace
from lakehouse_assets.engine.spec.table import Table


def replay(table: Table, context: Context) -> Outcome:
    """Judge the rows in a table's quarantine again, and bring those that pass into the table.

    Raises:
        LakehouseError: the table is computed anew by each run, so that its rows are judged again anyway; an expectation
            declared with `fail` is broken; Spark isn't there; or other runs kept committing first.
    """
    require_replayable(table)
    return until_committed(lambda: _attempt(table, context))


def require_replayable(table: Table) -> None:
    """Raises LakehouseError for a table that is computed anew by each run, so that its rows are judged again anyway."""
    if isinstance(table.write, Replace | Refresh):
        raise LakehouseError(
            f"Replaying {table.key}: its rows are computed from other tables; `lakehouse run {table.key} --full` "
            "computes and judges all of them by the expectations as they are now"
        )


def _attempt(table: Table, context: Context) -> Outcome:
    logs = Logs(context.lake)
    recover(table, context, logs)
    logs = Logs(context.lake)
    own, kept = logs.table(table.key), logs.quarantine(table.key)
    rows = quarantine.waiting(kept) if kept else 0
    if own is None or kept is None or not rows:
        return Outcome(Plan(table, "nothing", "no row is in quarantine"), 0)
    plan = Plan(table, "replay", f"{rows} rows in quarantine", _next_number(table, logs))
    return _execute(
        plan,
        context,
        Judging(kept.version, _columns(table, own), table.expectations, table.expectations_version, table.texts),
    )


def _next_number(table: Table, logs: Logs) -> int:
    """Beyond that of every part: the table may have been dropped, and its quarantine not."""
    parts = (logs.table(table.key), logs.quarantine(table.key), logs.state(table.key))
    return 1 + max(log.transaction(app_of(table)) for log in parts if log)


def _execute(plan: Plan, context: Context, judging: Judging) -> Outcome:
    table, told = plan.table, asdict(judging)
    stamp = Stamp(app_of(table), plan.run, {}, table.mode, table.code_version, judging.version, replay=told)
    # Kept, because Spark would read of the JSON only what is asked for, and see less of what can't be read.
    with (
        traced(plan, context),
        explained(table),
        persisted(waiting_rows(table, context, judging), context.lake) as waiting,
    ):
        rows = rows_of(waiting, judging)
        seen = judge.tally(rows, judging.rules)
        if seen.judged == seen.rejected:
            settle_replay(waiting, table, context, judging, plan.run)
            return Outcome(
                replace(plan, strategy="nothing", reason=f"{plan.reason}, none of which passes"), 0, counts=seen
            )
        done = commit(Work(plan, rows, context.lake), stamp)
        settle_replay(waiting, table, context, judging, plan.run)
    return Outcome(plan, 0, done.version, done.seen)


def _columns(table: Table, own: TableLog) -> dict[str, str]:
    """The columns that a row may have, with their types: those declared, and those the table was given besides."""
    declared = {c.name: c.type for c in table.columns}
    known = declared | {name: kind for name, kind in own.columns.items() if name not in declared}
    return {name: kind for name, kind in known.items() if name not in VALIDITY}
