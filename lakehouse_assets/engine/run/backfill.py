"""Computes all groups of some days anew, changed or not, in one commit: a backfill of a table's daily partitions.

It reads its inputs at the versions that were consumed, so that what came since is left to the run after it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.plan.plan import Logs, Plan
from lakehouse_assets.engine.plan.read import reads_of
from lakehouse_assets.engine.run.outcome import Outcome, until_committed
from lakehouse_assets.engine.run.recover import recover
from lakehouse_assets.engine.run.update import execute, update
from lakehouse_assets.engine.spec.table import Table


def backfill(table: Table, context: Context, first: date, last: date) -> Outcome:
    """Bring the table up to date, then compute the groups of its days from `first` to `last` anew.

    Days that come out as they are stored are left alone. Where they hold most of the table's rows, or it isn't there
    yet, the whole table is computed.

    Raises:
        LakehouseError: the table has no days, or what `materialize` raises.
    """
    if table.partitions is None:
        raise LakehouseError(f"Backfilling {table.key}: it has no days; declare partitions=Daily(…)")
    now = update(table, context, by_hand=False)  # of which the days are what is to be mended
    return now if now.plan.strategy == "full" else until_committed(lambda: _attempt(table, context, first, last))


def _attempt(table: Table, context: Context, first: date, last: date) -> Outcome:
    logs = Logs(context.lake)
    recover(table, context, logs)
    own = logs.table(table.key)
    run = own.last_run.run if own and own.last_run else None
    if run is None:
        return Outcome(Plan(table, "nothing", "what it reads isn't built yet"), 0)
    reads = {
        parameter: replace(read, after=read.to) for parameter, read in reads_of(run["read"], table, context).items()
    }
    return execute(Plan(table, "refresh", f"{first} to {last}", run["run"] + 1, reads, days=(first, last)), context)
