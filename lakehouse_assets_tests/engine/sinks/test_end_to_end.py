"""From a topic to a store by a continuous run, whatever is killed meanwhile: all that was sent counts once.

`make soak` kills more often (`SOAK_ROUNDS`).
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psycopg2
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.serve.broker import Broker
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.engine.sinks.database import Database
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.kafka import Kafka
from lakehouse_assets_tests.servers.postgres import Postgres
from lakehouse_assets_tests.servers.waiting import wait_until

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "3"))
VICTIMS = ("worker", "engine", "broker")
PARTITIONS = 2
READINGS = """
@table(raw="bronze.updates", write=append(), columns=[Column("name", "string"), Column("n", "int", nullable=False)])
def readings(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("from_json(string(value), 'name string, n int') m", "_source").selectExpr("m.*", "_source")
"""
TOTALS = """
totals = sql_table(readings="silver.readings", write=refresh(by="name"), columns=[
    Column("name", "string", key=True), Column("messages", "bigint"), Column("total", "bigint")],
    sql="SELECT name, count(*) AS messages, sum(n) AS total FROM readings GROUP BY name")
"""
Totals = dict[str, tuple[int, int]]


class Sender(threading.Thread):
    """Sends numbered messages of twenty names, some hundred a second, until it's told to stop."""

    def __init__(self, address: str, topic: str) -> None:
        super().__init__()
        self.producer, self.topic = Producer({"bootstrap.servers": address, "log_level": 0}), topic
        self.stop, self.taken = threading.Event(), set[int]()

    def run(self) -> None:
        number = 0
        while not self.stop.wait(0.005):
            with suppress(BufferError):  # no broker has taken any for a while
                told = json.dumps({"name": f"k{number % 20}", "n": number})
                self.producer.produce(self.topic, told, on_delivery=self._delivered)
                number += 1
            self.producer.poll(0)
        self.producer.flush(120)

    def _delivered(self, error: object, message: Message) -> None:
        if error is None:
            self.taken.add(json.loads(message.value() or b"")["n"])


@dataclass
class Stage:
    """The continuous run of the domain, its engine and the broker: what may be killed, and is there again then."""

    command: Command
    broker: Broker
    worker: ExitStack = field(default_factory=ExitStack)

    def begin(self) -> None:
        log = self.worker.enter_context((self.command.project.root / "stream.log").open("a"))
        self.worker.enter_context(self.command.started("stream", "shop", told=log))

    def kill(self, victim: str) -> None:
        if victim == "worker":
            self.worker.close()  # which kills it
            self.begin()
        elif victim == "broker":
            self.broker.kill()
            self.broker.start()
        else:
            server = spark_server.running(self.command.project.engine.server_settings)
            assert server, "nothing could have come to the store without an engine"
            os.kill(server.pid, signal.SIGKILL)


@pytest.fixture
def stage(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Stage]:
    """A lakehouse with an engine, a broker and a database of its own."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "jars").symlink_to(read_settings().cache / "jars")
    broker = Broker(tmp_path / "broker", read_settings().cache)
    package = f"domains_{os.getpid()}_end_to_end"
    monkeypatch.setenv("LAKEHOUSE_KAFKA", broker.address)
    monkeypatch.setenv("LAKEHOUSE_POSTGRES", postgres.database(package))
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LAKEHOUSE_SPARK_MEMORY", "1g")
    monkeypatch.setenv("LAKEHOUSE_SPARK_IDLE_MINUTES", "5")
    engine = SparkResource.from_settings(read_settings())
    made = Stage(Command(Project(tmp_path, package, engine), monkeypatch, capsys), broker)
    with made.worker:
        broker.start()
        yield made
    broker.stop()
    spark_server.stop(engine.server_settings)


def test_all_that_was_sent_is_in_the_store_once_whatever_was_killed(stage: Stage) -> None:
    project, random = stage.command.project, Random(ROUNDS)
    Kafka(stage.broker, "").make("updates", PARTITIONS)
    project.table("bronze.updates", 'updates = kafka("updates", continuous=True)')
    project.table("silver.readings", READINGS)
    project.table("gold.totals", TOTALS)
    project.sink("totals", 'sink("gold.totals", to=postgres("totals"))')
    store, sender = Database(os.environ["LAKEHOUSE_POSTGRES"]), Sender(stage.broker.address, "updates")
    sender.start()
    stage.begin()
    for number in range(ROUNDS):
        before = _stored(store)
        wait_until(lambda before=before: _stored(store) > before, 120)  # type: ignore[misc]
        sender.stop.wait(random.uniform(0, 3))  # so that each is killed at another moment
        stage.kill(VICTIMS[number % len(VICTIMS)])
    sender.stop.set()
    sender.join()

    sent = _sent(stage.broker.address)
    assert sender.taken <= {*sent}
    wanted = _totals(sent)
    wait_until(lambda: _in_store(store) == wanted, 180)
    assert len(project.rows("bronze.updates")) == len(sent)
    assert sorted(n for (n,) in project.rows("silver.readings", "n")) == sorted(sent)
    assert {name: row for name, *row in project.rows("gold.totals")} == {k: [*v] for k, v in wanted.items()}


def _sent(address: str) -> list[int]:
    """The numbers of all messages that the broker has, as a client of its own reads them."""
    client = Consumer({"bootstrap.servers": address, "group.id": "test", "enable.partition.eof": True})
    client.assign([TopicPartition("updates", n, OFFSET_BEGINNING) for n in range(PARTITIONS)])
    found, ended = list[int](), 0
    while ended < PARTITIONS:
        message = client.poll(10)
        assert message is not None
        if message.error():
            ended += 1
        else:
            found.append(json.loads(message.value() or b"")["n"])
    client.close()
    return found


def _totals(numbers: list[int]) -> Totals:
    found = defaultdict[str, list[int]](list)
    for number in numbers:
        found[f"k{number % 20}"].append(number)
    return {name: (len(of), sum(of)) for name, of in found.items()}


def _in_store(store: Database) -> Totals:
    try:
        return {str(name): (messages, total) for name, messages, total in store.ask("SELECT * FROM totals")}
    except psycopg2.errors.UndefinedTable:
        return {}


def _stored(store: Database) -> int:
    """How many messages the store knows of."""
    return sum(messages for messages, _ in _in_store(store).values())
