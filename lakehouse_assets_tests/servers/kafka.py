"""A real Kafka broker for the tests: topics of one's own in it, and what is sent to them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from lakehouse_assets.loopback import free_port
from lakehouse_assets.serve.broker import Broker
from lakehouse_assets.settings import read_settings

USER, PASSWORD = "reader", "of-the-tests"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Kafka:
    """A broker that takes anyone at `address`, and who has the password at `secured`."""

    broker: Broker
    secured: str

    @property
    def address(self) -> str:
        return self.broker.address

    def topic(self, partitions: int = 1) -> str:
        """A topic of one's own."""
        name = f"topic-{next(_numbers)}"
        self.make(name, partitions)
        return name

    def make(self, name: str, partitions: int = 1) -> None:
        self.admin.create_topics([NewTopic(name, partitions)])[name].result()

    def remove(self, name: str) -> None:
        self.admin.delete_topics([name])[name].result()

    def forget(self, name: str, before: int) -> None:
        """Remove the messages of its first partition that come before an offset, as retention does."""
        upto = TopicPartition(name, 0, before)
        self.admin.delete_records([upto])[upto].result()

    def widen(self, name: str, partitions: int) -> None:
        """Let a topic have more partitions."""
        self.admin.create_partitions([NewPartitions(name, partitions)])[name].result()

    def send(self, topic: str, values: Iterable[bytes | str | None], partition: int = -1, **more: object) -> None:
        """Send messages, and wait until the broker has them."""
        producer = Producer({"bootstrap.servers": self.address, "linger.ms": 5})
        for number, value in enumerate(values):
            producer.produce(topic, value, partition=partition, **more)  # type: ignore[arg-type]
            if number % 10_000 == 9_999:
                producer.flush()
        producer.flush()

    @cached_property
    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})


@contextmanager
def running(folder: Path) -> Iterator[Kafka]:
    """A broker with two doors: one for anyone, and one for a user with a password."""
    broker, port = Broker(folder, read_settings().cache), free_port()
    broker.properties.update(_with_password(broker, port))
    broker.start()
    try:
        yield Kafka(broker, f"127.0.0.1:{port}")
    finally:
        broker.stop()


def _with_password(broker: Broker, port: int) -> Mapping[str, str]:
    secured, controller = f"SECURED://127.0.0.1:{port}", f"CONTROLLER://127.0.0.1:{broker.controller}"
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    return {
        "listeners": f"CLIENT://{broker.address},{secured},{controller}",
        "advertised.listeners": f"CLIENT://{broker.address},{secured}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,CLIENT:PLAINTEXT,SECURED:SASL_PLAINTEXT",
        "listener.name.secured.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.secured.plain.sasl.jaas.config": f'{login} user_{USER}="{PASSWORD}";',
    }
