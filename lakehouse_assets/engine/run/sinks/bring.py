"""What a run does to a sink: its store is brought to the newest version of its table, and that is told of."""

from __future__ import annotations

import time

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.plan.sinks import ASKED_FOR, plan_sink
from lakehouse_assets.engine.run.report import Position, Report, SinkReport
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.sinks.bring import bring
from lakehouse_assets.engine.sinks.held import Work
from lakehouse_assets.engine.spec.sinks.sink import Sink


def materialize_sink(sink: Sink, request: Request, context: Context) -> Report:
    """Bring a store to its table, unless it's there or waits, and report that.

    Raises:
        LakehouseError: the store can't be reached, or doesn't take what the table has. Nothing is lost by that: the
            next run makes up for it.
    """
    start, table = time.monotonic(), context.lakehouse.tables[context.lakehouse.upstreams(sink)["rows"]]
    work, told = Work.of(sink, table, context.lake), SinkReport(sink.to.kind, sink.to.target)
    log = None if sink.unset else work.log()
    if log is None:
        why = plan_sink(sink, context.lakehouse, context.lake).reason
        return Report(sink.key, "nothing", why, time.monotonic() - start, sink=told)
    done = bring(work, ASKED_FOR if request.full else None)
    return Report(
        sink.key, done.decision.strategy, done.decision.reason, time.monotonic() - start,
        {table.key: Position(done.version, done.after, done.id)},
        sink=SinkReport(sink.to.kind, sink.to.target, done.version, done.upserted, done.deleted),
    )  # fmt: skip
