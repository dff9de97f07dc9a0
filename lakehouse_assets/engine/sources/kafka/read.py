"""Messages from offset to offset, as rows of Arrow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.sources.kafka.connection import Connection, connection
from lakehouse_assets.engine.sources.kafka.topic import Heard, Spans, as_interrupts, configured, unavailable
from lakehouse_assets.engine.spec.inputs import Topic

if TYPE_CHECKING:
    import pyarrow as pa
    from confluent_kafka import Consumer, Message

# Of one commit, whichever comes first; of 100,000 messages of 70 bytes one takes 0.6 s.
MOST_MESSAGES, MOST_BYTES = 100_000, 64_000_000
# So many are handed over at once, and those that came in so long: the client waits for either.
_AT_ONCE, _AT_ONCE_SECONDS = 5_000, 0.05
_READS = {
    "group.id": "lakehouse",  # which librdkafka asks for, though no group is joined
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    # All that is read is there already; a broker waits half a second by itself before it tells of an end.
    "fetch.wait.max.ms": 20,
}
_NO_TIME = 0  # confluent_kafka.TIMESTAMP_NOT_AVAILABLE


@dataclass
class Taken:
    """What was read of some partitions: the messages, of each partition the offset that comes next, and of those that
    aren't read to it yet the offset where they end.
    """

    nexts: dict[int, int]
    left: dict[int, int]
    messages: list[Message] = field(default_factory=list)
    bytes: int = 0

    @property
    def newest(self) -> str:
        """When the newest of the messages was sent (UTC, ISO); empty if none says so."""
        return max((at.isoformat() for at in map(_sent_at, self.messages) if at), default="")

    @property
    def is_done(self) -> bool:
        """All is read, or as much as one commit takes."""
        return not self.left or len(self.messages) >= MOST_MESSAGES or self.bytes >= MOST_BYTES

    def add(self, message: Message) -> None:
        """Take a message, unless it's one that was fetched from beyond the end."""
        partition, offset = _at(message)
        if offset < self.left.get(partition, 0):
            self.messages.append(message)
            self.bytes += len(message.value() or b"") + len(message.key() or b"")
            self.nexts[partition] = offset + 1
        self.come_to(partition, offset + 1)

    def come_to(self, partition: int, offset: int) -> None:
        """Note where a partition is; the last offsets of one may be marks of transactions, and no messages."""
        if offset >= self.left.get(partition, offset + 1):
            self.nexts[partition] = self.left.pop(partition)


def _at(message: Message) -> tuple[int, int]:
    """Its partition and its offset."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None  # noqa: S101  (what was read has a place)
    assert offset is not None  # noqa: S101
    return partition, offset


@contextmanager
def consumer_of(topic: Topic) -> Iterator[tuple[Consumer, Connection, Heard]]:
    """A client that reads the partitions that it's told: no consumer group moves it, and it commits no offset."""
    from confluent_kafka import Consumer

    where, heard = connection(topic.connection), Heard()
    with as_interrupts():
        client = Consumer(configured(where, heard) | _READS)
        try:
            yield client, where, heard
        finally:
            client.close()


def read(topic: Topic, spans: Spans) -> Taken:
    """The messages of some partitions, each from an offset up to another; fewer where they are many.

    Raises:
        StreamUnavailable: no broker answers any more, or an offset isn't there.
    """
    from confluent_kafka import TopicPartition

    taken = Taken({p: begin for p, (begin, _) in spans.items()}, {p: end for p, (_, end) in spans.items()})
    with consumer_of(topic) as (client, where, heard):
        client.assign([TopicPartition(topic.name, p, begin) for p, (begin, _) in spans.items()])
        heard_of = time.monotonic()
        while not taken.is_done:
            for message in client.consume(_AT_ONCE, timeout=_AT_ONCE_SECONDS):
                heard_of = time.monotonic() if _take(message, taken, heard) else heard_of
            if heard.gives_up(time.monotonic() - heard_of):
                raise unavailable(topic, where, heard.worst)
    return taken


def _take(message: Message, taken: Taken, heard: Heard) -> bool:
    """Take in a message, or that a partition has ended; False for an error, which may have no place."""
    error = message.error()
    if error is None:
        taken.add(message)
    elif error.name() == "_PARTITION_EOF":
        taken.come_to(*_at(message))
    else:
        heard.errors.append(error)
    return error is None or error.name() == "_PARTITION_EOF"


def as_rows(taken: Taken, topic: str, run: int) -> pa.Table:
    """The messages as rows, with their places."""
    import pyarrow as pa

    at, messages = datetime.now(UTC), taken.messages
    rows: dict[str, list[Any]] = {
        "key": [m.key() for m in messages],
        "value": [m.value() for m in messages],
        "headers": [_headers(m) for m in messages],
        "_sent_at": [_sent_at(m) for m in messages],
        "_partition": [m.partition() for m in messages],
        "_offset": [m.offset() for m in messages],
        "_source": [f"{topic}/{m.partition()}@{m.offset()}" for m in messages],
        "_ingested_at": [at] * len(messages),
        "_batch": [run] * len(messages),
    }
    return pa.table(rows, schema=schema())


def _headers(message: Message) -> list[dict[str, Any]]:
    told = message.headers() or []
    return [{"key": key, "value": value} for key, value in (told.items() if isinstance(told, dict) else told)]


def _sent_at(message: Message) -> datetime | None:
    """When it was sent, by its sender's clock or the broker's; None where that is no time that Python has."""
    kind, milliseconds = message.timestamp()
    try:
        return None if kind == _NO_TIME else datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def schema() -> pa.Schema:
    """The columns of a table of messages."""
    import pyarrow as pa

    time_ = pa.timestamp("us", tz="UTC")
    header = pa.struct([("key", pa.string()), ("value", pa.binary())])
    return pa.schema(
        [("key", pa.binary()), ("value", pa.binary()), ("headers", pa.list_(header)), ("_sent_at", time_),
         ("_partition", pa.int32()), ("_offset", pa.int64()), ("_source", pa.string()), ("_ingested_at", time_),
         ("_batch", pa.int64())]
    )  # fmt: skip
