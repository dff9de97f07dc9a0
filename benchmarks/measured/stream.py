"""Messages of a real broker: how soon they are in bronze and in gold, and what a tick takes.

By hand, Structured Streaming reads the same bronze table, and brings each batch into silver and gold by foreachBatch,
without rules. Where nothing stands against a figure, the second number is the aim in seconds.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Producer

from benchmarks.measure import Bench, Row, p95
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.delta_rs import select
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.run.live import Live, run_live
from lakehouse_assets.engine.run.materialize import materialize
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.serve.broker import Broker
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.kafka import Kafka

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

A_SECOND, KEYS = 20, 5_000
LATEST = """
@table(raw="bronze.updates", write=merge(on="name", newest="n"), expect=[drop("n >= 0")],
       columns=[Column("name", "string", key=True), Column("place", "int"), Column("n", "bigint")])
def latest(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("from_json(string(value), 'name string, place int, n bigint') m", "_source").selectExpr(
        "m.*", "_source")
"""
PLACES = """
places = sql_table(rows="silver.latest", write=refresh(by="place"), columns=[
    Column("place", "int", key=True), Column("names", "bigint"), Column("newest", "bigint")],
    sql="SELECT place, count(*) AS names, max(n) AS newest FROM rows GROUP BY place")
"""
MERGE = """
MERGE INTO delta.`{silver}` t USING changes s ON t.name = s.name
WHEN MATCHED AND s.n > t.n THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *
"""


def run(bench: Bench) -> list[Row]:
    folder = bench.folder / "stream"
    folder.mkdir()
    broker = Broker(folder / "broker", read_settings().cache)
    broker.start()
    try:
        kafka = Kafka(broker, "")
        return [*_continuous(bench, _project(bench, kafka, "live")), *_ticks(bench, _project(bench, kafka, "ticks"))]
    finally:
        broker.stop()


@dataclass
class Stream:
    """A lakehouse of three tables of a topic, and who sends to it."""

    project: Project
    producer: Producer
    topic: str
    sent: list[float] = field(default_factory=list)

    def send(self, number: int, a_second: float | None = None) -> None:
        """Send messages, all at once or so many a second, and note when each was sent."""
        for _ in range(number):
            self.producer.produce(self.topic, self._message(len(self.sent)))
            self.sent.append(time.monotonic())
            if a_second:
                self.producer.flush()
                time.sleep(max(0.0, self.sent[-1] + 1 / a_second - time.monotonic()))
            elif not len(self.sent) % 10_000:
                self.producer.flush()
        self.producer.flush()

    def place(self, name: str) -> TableRef:
        return self.project.lake.table(f"shop.{name}")

    def seconds_of(self, name: str) -> float:
        """What a run of a table takes now."""
        start = time.monotonic()
        self.project.materialize(name)
        return time.monotonic() - start

    @staticmethod
    def _message(number: int) -> str:
        return json.dumps({"name": f"k{number % KEYS}", "place": number % 100, "n": number})


@dataclass
class Watch:
    """When a table came to have which message: it's looked every twentieth of a second whether it has a new version."""

    place: TableRef
    newest: str
    version: int = -1
    seen: list[tuple[float, int]] = field(default_factory=list)

    def look(self) -> None:
        if not (Path(self.place.path) / "_delta_log" / f"{self.version + 1:020}.json").exists():
            return
        log = read_log(self.place)
        assert log is not None
        found = select(log.table, "stored", f"SELECT max({self.newest}) AS newest FROM stored")[0]["newest"]
        self.version = log.version
        if found is not None and (not self.seen or found > self.seen[-1][1]):
            self.seen.append((time.monotonic(), found))

    def latencies(self, sent: list[float], since: int) -> list[float]:
        """From the sending of each message until the table had it."""
        return [next(at for at, newest in self.seen if newest >= n) - sent[n] for n in range(since, len(sent))]


def _project(bench: Bench, kafka: Kafka, name: str) -> Stream:
    folder = bench.folder / "stream" / name
    folder.mkdir()
    sys.path.insert(0, str(folder))
    os.environ["LAKEHOUSE_KAFKA"] = kafka.address
    stream = Stream(
        Project(folder, f"streamed_{name}", bench.engine),
        Producer({"bootstrap.servers": kafka.address, "linger.ms": 5}),
        kafka.topic(),
    )
    stream.project.table("bronze.updates", f'updates = kafka("{stream.topic}", continuous=True)')
    stream.project.table("silver.latest", LATEST)
    stream.project.table("gold.places", PLACES)
    stream.send(KEYS)
    for table in ("bronze.updates", "silver.latest", "gold.places"):
        stream.project.run(table)
    return stream


def _continuous(bench: Bench, stream: Stream) -> list[Row]:
    seconds, bronze, gold, hand = bench.size(40, 5), list[float](), list[float](), list[float]()
    tables = [stream.place(f"{name}") for name in ("bronze.updates", "silver.latest", "gold.places")]
    by_hand = [TableRef(f"{stream.project.root}/by_hand/{name}") for name in ("silver", "gold")]
    spark = bench.engine.session()
    for mine, theirs in zip(tables[1:], by_hand, strict=True):
        spark.read.format("delta").load(mine.path).drop("_source").write.format("delta").save(theirs.path)
    for _ in range(bench.repeat):
        with _looping(stream, [*Live.of("shop", stream.project.lakehouse).order]):
            ours = _watched(stream, {"bronze": (tables[0], "_offset"), "gold": (tables[2], "newest")}, seconds)
        bronze += ours["bronze"]
        gold += ours["gold"]
        with _looping(stream, ["shop.bronze.updates"]), _streaming(spark, tables[0], by_hand):
            hand += _watched(stream, {"gold": (by_hand[1], "newest")}, seconds)["gold"]
    return [
        Row("produced to bronze, continuous, p95", p95(bronze), 1.0, "below 1 s", f"p50 {_p50(bronze):.2f} s"),
        Row("produced to gold, continuous, p95", p95(gold), p95(hand), "ahead", _beside(gold, hand)),
    ]


def _beside(gold: list[float], hand: list[float]) -> str:
    return f"p50 {_p50(gold):.2f} s and {_p50(hand):.2f}; {A_SECOND} messages a second; aim below 5 s"


def _watched(stream: Stream, tables: dict[str, tuple[TableRef, str]], seconds: int) -> dict[str, list[float]]:
    """Send for some seconds; by table, how long each message took to come to it."""
    watches = {name: Watch(place, newest) for name, (place, newest) in tables.items()}
    since = len(stream.sent)

    def all_there() -> bool:
        for watch in watches.values():
            watch.look()
        return all(watch.seen and watch.seen[-1][1] == len(stream.sent) - 1 for watch in watches.values())

    sending = threading.Thread(target=stream.send, args=(seconds * A_SECOND, A_SECOND))
    sending.start()
    while sending.is_alive() or not all_there():
        all_there()
        time.sleep(0.05)
    return {name: watch.latencies(stream.sent, since) for name, watch in watches.items()}


@contextmanager
def _looping(stream: Stream, order: list[str]) -> Iterator[None]:
    """The continuous run of some of the tables, in a thread."""
    stop, context, failed = threading.Event(), stream.project.context(), list[object]()

    def tell(_: str, found: object) -> None:
        failed.extend([found] if isinstance(found, Exception) else [])

    live = Live(["shop.bronze.updates"], order, {*order})
    loop = threading.Thread(target=run_live, args=(live, context, tell, lambda: not stop.is_set()))
    loop.start()
    try:
        yield
    finally:
        stop.set()
        loop.join()
    assert not failed, failed


@contextmanager
def _streaming(spark: SparkSession, bronze: TableRef, by_hand: list[TableRef]) -> Iterator[None]:
    reader = spark.readStream.format("delta").option("startingVersion", "latest").load(bronze.path)
    told = reader.selectExpr("from_json(string(value), 'name string, place int, n bigint') m").select("m.*")
    started = told.writeStream.foreachBatch(_batch(*(place.path for place in by_hand)))
    query = started.option("checkpointLocation", str(Path(by_hand[0].path).parent / f"at_{time.time_ns()}")).start()
    try:
        yield
    finally:
        query.stop()


def _batch(silver: str, gold: str) -> Callable[[DataFrame, int], None]:
    """What is done with a batch; the server runs it, so all that it needs is in it."""
    merge = MERGE.format(silver=silver)

    def write(rows: DataFrame, _: int) -> None:
        spark = rows.sparkSession
        nth = "row_number() OVER (PARTITION BY name ORDER BY n DESC) AS nth"
        rows.selectExpr("*", nth).where("nth = 1").drop("nth").createOrReplaceTempView("changes")
        spark.sql(merge).collect()
        query = "SELECT place, count(*) AS names, max(n) AS newest FROM delta.`{}` GROUP BY place"
        spark.sql(query.format(silver)).write.format("delta").mode("overwrite").save(gold)

    return write


def _ticks(bench: Bench, stream: Stream) -> list[Row]:
    tables, minute, many = ("bronze.updates", "silver.latest", "gold.places"), 60 * A_SECOND, bench.size(100_000, 5_000)
    empty, ticks = list[float](), list[float]()
    for _ in range(bench.repeat + 1):
        stream.send(minute)
        ticks.append(sum(stream.seconds_of(name) for name in tables))
        empty.append(_empty(stream))
    stream.send(many)
    taken = stream.seconds_of("bronze.updates")
    per_second = f"{many:,} messages at once came in at {many / taken:,.0f} a second"
    return [
        Row("a minute's messages, three tables", _p50(ticks[1:]), 10.0, "below 10 s", f"{minute:,} messages"),
        Row("a tick without messages", _p50(empty[1:]), 0.05, "below 0.05 s", per_second),
    ]


def _empty(stream: Stream) -> float:
    context, start = stream.project.context(), time.monotonic()
    assert materialize(Request("shop.bronze.updates"), context).strategy == "nothing"
    return time.monotonic() - start


def _p50(found: list[float]) -> float:
    return statistics.median(found)
