"""Messages as they come, and what they lead to: a loop over tables, each run as any run of it is.

A round goes through the tables in order, each that reads something that has changed. The topics are looked at before
each of them, so that a message is kept as soon as it comes, however long the others take. A table that fails is tried
again after longer and longer pauses, and what doesn't read it goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.run.materialize import materialize
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.run.reporting import holds_back
from lakehouse_assets.engine.run.request import Request

PAUSE_SECONDS = 0.2  # between rounds in which nothing came: an empty look at a topic takes 0.01 to 0.03
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 5.0, 300.0

Tell = Callable[[str, Report | LakehouseError], None]
GoesOn = Callable[[], bool]


@dataclass
class Live:
    """The tables of a domain that a topic feeds without pause, and all of it that is made from them, in order, with
    their sinks.

    `due` are those that have something to do, and `failed` says of each that failed how often, and until when it's let
    be. `newest` is when the newest message was sent that has reached a table.
    """

    topics: Sequence[str]
    order: Sequence[str]
    due: set[str]
    failed: dict[str, tuple[int, float]] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, domain: str, lakehouse: Lakehouse) -> Live:
        topics = [t.key for t, topic in lakehouse.topic_tables() if t.domain == domain and topic.continuous]
        own = {key for key, table in lakehouse.runnable.items() if table.domain == domain and not table.task}
        own |= {key for key, sink in lakehouse.sinks.items() if sink.domain == domain}
        order = lakehouse.downstream(topics, own)
        return cls(topics, order, set(order))

    def round(self, context: Context, tell: Tell, goes_on: GoesOn = lambda: True) -> bool:
        """Run what is due, once each, for as long as it goes on; whether something came of it."""
        moved = self._take_in(context, tell, goes_on)
        for key in self.order:
            if key in self.due and key not in self.topics and goes_on():
                moved = self._run(key, context, tell) or moved
                moved = self._take_in(context, tell, goes_on) or moved
        return moved

    def _take_in(self, context: Context, tell: Tell, goes_on: GoesOn) -> bool:
        taken = [self._run(key, context, tell) for key in self.topics if goes_on()]
        return any(taken)

    def _run(self, key: str, context: Context, tell: Tell) -> bool:
        """Run a table, unless it failed a moment ago; whether something came of it."""
        times, until = self.failed.get(key, (0, 0.0))
        if time.monotonic() < until:
            return False
        reached = [self.newest[it] for it in context.lakehouse.reads(key) if it in self.newest]
        try:
            report = materialize(Request(key), context)
        except LakehouseError as error:
            pause = min(FIRST_RETRY_SECONDS * 2**times, LAST_RETRY_SECONDS)
            self.failed[key] = (times + 1, time.monotonic() + pause)
            self.due.add(key)
            tell(key, error)
            return False
        self._reach(key, report, reached)
        tell(key, report)
        return self._settle(key, report, context.lakehouse)

    def latency(self, key: str) -> float | None:
        """The seconds since the newest message was sent that has reached a table; None if none has in this loop."""
        return (datetime.now(UTC) - self.newest[key]).total_seconds() if key in self.newest else None

    def _reach(self, key: str, report: Report, upstreams: Sequence[datetime]) -> None:
        own = [datetime.fromisoformat(report.stream.newest)] if report.stream and report.stream.newest else []
        if found := [*own, *upstreams]:
            self.newest[key] = max(found)

    def _settle(self, key: str, report: Report, lakehouse: Lakehouse) -> bool:
        """Note what is due after a run; what reads a table that a check holds back waits until it passes."""
        self.failed.pop(key, None)
        self.due.discard(key)
        if report.strategy == "nothing":
            return False
        if key in lakehouse.tables and not holds_back(report, lakehouse.tables[key]):
            self.due.update(reader for reader in self.order if key in lakehouse.reads(reader))
        return True


def run_live(live: Live, context: Context, tell: Tell, goes_on: GoesOn) -> None:
    """Rounds until it's enough; a table that is being written is finished first."""
    while goes_on():
        if not live.round(context, tell, goes_on) and goes_on():
            time.sleep(PAUSE_SECONDS)
