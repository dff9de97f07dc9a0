"""The first step of a run: what the last writer of a table left undone is done.

A run may end at any point. Its quarantine or its state may be one run behind the table, by whatever wrote to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.lake import state
from lakehouse_assets.engine.lake.delta_commits import Commit, Kind
from lakehouse_assets.engine.lake.kept_rows import persisted
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.lake.state import StatePart
from lakehouse_assets.engine.modes.commit import complete_state, settle
from lakehouse_assets.engine.modes.refresh.refresh import narrowed
from lakehouse_assets.engine.modes.work import Work
from lakehouse_assets.engine.plan.plan import Logs, Plan, Strategy
from lakehouse_assets.engine.plan.read import inputs_of, readable, reads_of
from lakehouse_assets.engine.quality import judge
from lakehouse_assets.engine.quality.watermark import at
from lakehouse_assets.engine.query.query_plan import analysed
from lakehouse_assets.engine.run.build import build
from lakehouse_assets.engine.run.replay.rows import Judging, app_of, rows_of, settle_replay, waiting_rows
from lakehouse_assets.engine.scoring.batch import as_recorded
from lakehouse_assets.engine.spark_errors.explained import explained
from lakehouse_assets.engine.spec.modes import Refresh
from lakehouse_assets.engine.spec.table import Table


@dataclass(frozen=True)
class Left:
    """A commit that a writer of a table made, and what it left out: of the quarantine, and of the table's state."""

    table: Table
    commit: Commit
    app: str
    of_quarantine: bool
    of_state: bool

    @property
    def run(self) -> int:
        return int(self.commit.mark["run"])

    def part(self, lake: Lake, *, fresh: bool = False) -> StatePart:
        """What is to be added to the state."""
        return StatePart(self.table, lake, self.app, self.run, fresh, self.commit.version - 1)


def recover(table: Table, context: Context, logs: Logs) -> None:
    """Complete what runs and replays that committed their rows, and ended early, left out of quarantine and state.

    Batches of files are completed by what their ledger says.
    """
    if table.source is None and (left := _left(table, "update", table.key, logs)):
        _complete_update(left, context)
    if left := _left(table, "replay", app_of(table), logs):
        _complete_replay(left, context)


def _left(table: Table, kind: Kind, app: str, logs: Logs) -> Left | None:
    own, kept, known = logs.table(table.key), logs.quarantine(table.key), logs.state(table.key)
    last = own.last_of(kind) if own else None
    if own is None or last is None or (kind == "replay" and kept is None):
        return None  # of a replay, all that it judged is in the quarantine
    number, settled = last.mark["run"], kept.transaction(app) if kept else 0
    of_quarantine = settled < number and (table.has_quarantine or kind == "replay")
    due = bool(last.mark.get("remembers")) and not state.lost(own, known)
    of_state = due and (known.transaction(app) if known else 0) < number
    return Left(table, last, app, of_quarantine, of_state) if of_quarantine or of_state else None


def _complete_update(left: Left, context: Context) -> None:
    plan, spark = _plan_again(left, context), context.session()
    fresh = plan.strategy == "full"
    with explained(plan.table), readable(spark, plan.reads.values()):
        built = build(spark, plan.table, inputs_of(spark, plan))
        with narrowed(Work(plan, built, context.lake), analysed(built), bound=True) as work:
            expectations = plan.table.expectations
            if left.of_state:
                accepted = judge.accepted(judge.judge(work.rows, expectations), expectations)
                complete_state(accepted, left.part(context.lake, fresh=fresh))
            if left.of_quarantine:
                settle(work.rows, plan, judge.tally(work.rows, expectations), context.lake)


def _plan_again(left: Left, context: Context) -> Plan:
    """The plan by which a run made its commit."""
    run, table = left.commit.mark, at(left.table, left.commit.mark.get("watermark", ""))
    table = as_recorded(table, run, context.lake)
    reads = reads_of(run["read"], table, context)
    fresh = all(read.after is None for read in reads.values() if not read.lookup)
    strategy: Strategy = "full" if fresh else "refresh" if isinstance(table.write, Refresh) else "append"
    days = tuple(map(date.fromisoformat, run.get("days", ())))
    chosen = (days[0], days[1]) if days else None
    return Plan(table, strategy, "completing the last run", left.run, reads, days=chosen)


def _complete_replay(left: Left, context: Context) -> None:
    table, judging = left.table, Judging.read(left.commit.mark["replay"])
    with explained(table), persisted(waiting_rows(table, context, judging), context.lake) as waiting:
        if left.of_state:
            judged = judge.judge(rows_of(waiting, judging), judging.rules)
            complete_state(judge.accepted(judged, judging.rules), left.part(context.lake))
        settle_replay(waiting, table, context, judging, left.run)
