"""The airlines' live board on a simulated afternoon, a minute each second: two tables at a time, and one at a time.

The board's eight tables and sinks are those of the project, over a year of flights. A message's latency is the time
from its being sent until `gold.live_board` is committed with it.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import dropwhile
from pathlib import Path

from benchmarks.measure import Bench, Row, p95
from lakehouse_assets.domains.airlines import feed, simulation
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.run import live
from lakehouse_assets.engine.run.materialize import materialize
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.sources.kafka.connection import connection
from lakehouse_assets.environment import open_lake, open_lakehouse
from lakehouse_assets.serve.broker import Broker
from lakehouse_assets.serve.sending import make_topics, sent
from lakehouse_assets.settings import read_settings
from lakehouse_assets.simulation import Timed, sent_in_order
from lakehouse_assets_tests.servers.kafka import Kafka

BOARD, SPEED = "airlines.gold.live_board", 60
START = datetime(2013, 1, 16, 15, tzinfo=simulation.ZONE)
BATCH = ("bronze.airports", "silver.airports", "bronze.flights", "silver.flights")
# The broker stamps a message some milliseconds after it was handed over.
STAMPED = timedelta(milliseconds=20)


@dataclass
class Feed:
    """The simulated messages: each part of them goes on where the one before ended."""

    events: Iterator[Timed]
    at: datetime = START
    updates: list[datetime] = field(default_factory=list)

    def send(self, seconds: float) -> None:
        """Send what happens in so many seconds, and note when each update of a flight was sent."""
        begin, end = self.at, time.monotonic() + seconds
        for event in sent(self.events, connection(), begin, SPEED, lambda: time.monotonic() < end):
            if event.topic == simulation.UPDATES:
                self.updates.append(datetime.now(UTC))
            self.at = max(self.at, event.at)


def run(bench: Bench) -> list[Row]:
    folder = bench.folder / "board"
    folder.mkdir()
    broker = Broker(folder / "broker", read_settings().cache)
    broker.start()
    try:
        os.environ["LAKEHOUSE_KAFKA"] = Kafka(broker, "").address
        return _measured(bench, _lakehouse(bench, folder / "home"))
    finally:
        broker.stop()


def _lakehouse(bench: Bench, home: Path) -> Context:
    """A lakehouse with the flights of a year, and both topics."""
    settings = read_settings({**os.environ, "LAKEHOUSE_HOME": str(home)})
    feed.land(home / "landing" / "airlines")
    make_topics(connection(), simulation.TOPICS)
    lakehouse = open_lakehouse(settings, strict=True)
    context = Context(lakehouse, open_lake(lakehouse, settings), bench.engine.session)
    for table in BATCH:
        materialize(Request(f"airlines.{table}"), context)
    return context


def _measured(bench: Bench, context: Context) -> list[Row]:
    seconds, found = bench.size(60, 10), {1: list[float](), 2: list[float]()}
    told = Feed(dropwhile(lambda it: it[0] < START, sent_in_order(simulation.events(START))))
    for number in range(bench.repeat + 1):
        for side_by_side in (1, 2):
            latencies = _watched(context, told, seconds, side_by_side)
            found[side_by_side] += latencies if number else []
    rate = f"p50 {statistics.median(found[2]):.2f} s and {statistics.median(found[1]):.2f}; aim below 5 s"
    return [Row("produced to the live board, eight tables, p95", p95(found[2]), p95(found[1]), "below 1", rate)]


def _watched(context: Context, told: Feed, seconds: float, side_by_side: int) -> list[float]:
    """Send for some seconds while the loop runs; how long each update took to be on the board."""
    live.SIDE_BY_SIDE, since = side_by_side, len(told.updates)
    with _looping(context) as boards:
        told.send(seconds)
        last = told.updates[-1] - STAMPED
        while not boards or boards[-1][1] < last:
            time.sleep(0.05)
    return [
        (next(at for at, newest in boards if newest >= one - STAMPED) - one).total_seconds()
        for one in told.updates[since:]
    ]


@contextmanager
def _looping(context: Context) -> Iterator[list[tuple[datetime, datetime]]]:
    """The continuous run of the airlines; when the board was committed, and how new it was then."""
    boards, stop, failed = list[tuple[datetime, datetime]](), threading.Event(), list[object]()
    loop = live.Live.of("airlines", context.lakehouse)

    def tell(key: str, found: object) -> None:
        failed.extend([found] if isinstance(found, Exception) else [])
        if key == BOARD and key in loop.newest:
            boards.append((datetime.now(UTC), loop.newest[key]))

    thread = threading.Thread(target=live.run_live, args=(loop, context, tell, lambda: not stop.is_set()))
    thread.start()
    try:
        yield boards
    finally:
        stop.set()
        thread.join()
    assert not failed, failed
