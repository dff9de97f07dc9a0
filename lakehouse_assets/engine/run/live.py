"""Messages as they come, and what they lead to: a loop over tables, each run as any run of it is.

A round goes through the tables in order, each that reads something that has changed. Two that don't read one another
run side by side, in threads with a session each. The topics are looked at all the while by a thread of their own, as
taking messages in needs no Spark: they are kept within a second, however long the tables take. A table that fails is
tried again after longer and longer pauses, and what doesn't read it goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from threading import Event, Lock

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.run.materialize import materialize
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.run.reporting import holds_back
from lakehouse_assets.engine.run.request import Request

PAUSE_SECONDS = 0.2  # after looks at which nothing came: an empty look at a topic takes 0.01 to 0.03
SIDE_BY_SIDE = 2  # tables at a time: on two cores, 19 tables took as long in three threads as in two
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 5.0, 300.0

Tell = Callable[[str, Report | LakehouseError], None]
GoesOn = Callable[[], bool]


@dataclass
class Live:
    """The tables of a domain that a topic feeds without pause, and all of it that is made from them, in order, with
    their sinks.

    `due` are those that have something to do, and `failed` says of each that failed how often, and until when it's let
    be. `newest` is when the newest message was sent that has reached a table. `lock` is held while a thread changes
    these, and tells of a run. `beside` has the threads of the tables, which an interrupted loop doesn't wait for.
    """

    topics: Sequence[str]
    order: Sequence[str]
    due: set[str]
    failed: dict[str, tuple[int, float]] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    beside: Executor = field(default_factory=lambda: ThreadPoolExecutor(SIDE_BY_SIDE))

    @classmethod
    def of(cls, domain: str, lakehouse: Lakehouse) -> Live:
        topics = [t.key for t, topic in lakehouse.topic_tables() if t.domain == domain and topic.continuous]
        own = {key for key, table in lakehouse.runnable.items() if table.domain == domain and not table.task}
        own |= {key for key, sink in lakehouse.sinks.items() if sink.domain == domain}
        order = lakehouse.downstream(topics, own)
        return cls(topics, order, set(order))

    def take_in(self, context: Context, tell: Tell, goes_on: GoesOn = lambda: True) -> bool:
        """Look at each topic once, for as long as it goes on; whether something came."""
        taken = [self._run(key, context, tell) for key in self.topics if goes_on()]
        return any(taken)

    def round(self, context: Context, tell: Tell, goes_on: GoesOn = lambda: True) -> bool:
        """Run what is made of the topics and is due, once each after what it reads; whether something came of it."""
        made = [key for key in self.order if key not in self.topics]
        turns = TopologicalSorter({key: {*context.lakehouse.reads(key)}.intersection(made) for key in made})
        turns.prepare()
        running, came = dict[Future[bool], str](), False

        def turn(key: str) -> bool:
            return key in self.due and goes_on() and self._run(key, context, tell)

        while turns.is_active():
            running |= {self.beside.submit(turn, key): key for key in turns.get_ready()}
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                turns.done(running.pop(done))
                came |= done.result()
        return came

    def _run(self, key: str, context: Context, tell: Tell) -> bool:
        """Run a table, unless it failed a moment ago; whether something came of it."""
        times, until = self.failed.get(key, (0, 0.0))
        if time.monotonic() < until:
            return False
        self.due.discard(key)  # before it's run, as more may come meanwhile that it doesn't see
        reached = [self.newest[it] for it in context.lakehouse.reads(key) if it in self.newest]
        try:
            report = materialize(Request(key), context)
        except LakehouseError as error:
            pause = min(FIRST_RETRY_SECONDS * 2**times, LAST_RETRY_SECONDS)
            with self.lock:
                self.failed[key] = (times + 1, time.monotonic() + pause)
                self.due.add(key)
                tell(key, error)
            return False
        with self.lock:
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
        if report.strategy == "nothing":
            return False
        if key in lakehouse.tables and not holds_back(report, lakehouse.tables[key]):
            self.due.update(reader for reader in self.order if key in lakehouse.reads(reader))
        return True


def run_live(live: Live, context: Context, tell: Tell, goes_on: GoesOn) -> None:
    """Rounds until it's enough, with looks at the topics beside; a table that is being written is finished first."""
    ended = Event()

    def both_go_on() -> bool:
        return goes_on() and not ended.is_set()

    def again_and_again(work: Callable[[Context, Tell, GoesOn], bool]) -> None:
        try:
            while both_go_on():
                if not work(context, tell, both_go_on) and both_go_on():
                    ended.wait(PAUSE_SECONDS)
        finally:
            ended.set()

    with ThreadPoolExecutor(1) as beside:
        intake = beside.submit(again_and_again, live.take_in)
        again_and_again(live.round)
    intake.result()
