"""Decides what a run would do to the store of a sink: from what the store has and the table's log, without a JVM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.sinks.bring import held
from lakehouse_assets.engine.sinks.held import Decision, Work, decided
from lakehouse_assets.engine.spec.sinks.sink import Sink

ASKED_FOR = Decision("full", "all rows were asked for")


@dataclass(frozen=True)
class SinkPlan:
    """What a run would do to a store, and why; `waits` says that nobody told where the store is."""

    sink: Sink
    strategy: Literal["upsert", "full", "nothing", "refused"]
    reason: str
    waits: bool = False

    @property
    def key(self) -> str:
        return self.sink.key


def plan_sink(sink: Sink, lakehouse: Lakehouse, lake: Lake, full: bool = False) -> SinkPlan:
    """A plan against the store and the table as they stand.

    Raises:
        LakehouseError: one of them can't be looked at.
    """
    table = lakehouse.tables[lakehouse.upstreams(sink)["rows"]]
    if sink.unset:
        return SinkPlan(sink, "nothing", f"{sink.unset} isn't set, so nothing is written", waits=True)
    work = Work.of(sink, table, lake)
    log = work.log()
    if log is None:
        return SinkPlan(sink, "nothing", f"{table.key} not built yet")
    decision = ASKED_FOR if full else decided(log, held(sink), work.held(log))
    return SinkPlan(sink, decision.strategy, decision.reason)


def sink_foreseen(plan: SinkPlan, names: str) -> SinkPlan:
    """The plan once the tables of these names have changed in the same run."""
    if plan.waits or plan.strategy != "nothing":
        return plan
    return replace(plan, strategy="upsert", reason=f"{names} will have new rows")
