"""What a consumer of a topic reads, by a client of the test's own."""

from __future__ import annotations

import json
from dataclasses import dataclass

from confluent_kafka import Consumer, Message, TopicPartition

from lakehouse_assets_tests.engine.sinks.board import Row
from lakehouse_assets_tests.servers import kafka as brokers


@dataclass(frozen=True)
class Reader:
    """A consumer of a topic, from its beginning, that sees what was committed."""

    broker: brokers.Kafka
    topic: str

    def messages(self) -> list[Message]:
        told = {"bootstrap.servers": self.broker.address, "group.id": "reader", "isolation.level": "read_committed",
                "enable.partition.eof": True}  # fmt: skip
        client, found = Consumer(told), list[Message]()
        left = {*client.list_topics(self.topic).topics[self.topic].partitions}
        client.assign([TopicPartition(self.topic, partition, 0) for partition in left])
        while left:
            message = client.poll(10)
            assert message is not None
            if message.error():
                left.discard(message.partition())
            else:
                found.append(message)
        client.close()
        return found

    def rows(self) -> list[Row]:
        """The last row of each key that isn't gone."""
        last = {message.key(): message.value() for message in self.messages()}
        return sorted(tuple(json.loads(value).values()) for value in last.values() if value is not None)

    @property
    def version(self) -> int:
        """Which version of the table the topic says that it has."""
        newest = Reader(self.broker, f"{self.topic}.lakehouse-progress").messages()[-1].value()
        return int(json.loads(newest or b"")["held"]["version"])
