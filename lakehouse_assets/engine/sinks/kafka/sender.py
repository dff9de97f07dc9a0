"""What sends messages to a topic: all of them in one transaction, or one by one where brokers have no transactions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import SinkError, Superseded
from lakehouse_assets.engine.sources.kafka.connection import Connection, connection
from lakehouse_assets.engine.sources.kafka.topic import ANSWER_SECONDS
from lakehouse_assets.engine.spec.sinks.sink import KafkaTopic

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

# Brokers let a transaction be open for 15 minutes, unless they're told otherwise.
TRANSACTION_SECONDS = 900
WAIT_SECONDS = 60.0
# The last is of a client that has been shut out and told why already, or that can't go on for another reason.
_FENCED = {"_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH", "_FATAL"}
_WITHOUT = {"UNSUPPORTED_VERSION", "_UNSUPPORTED_FEATURE", "INVALID_REQUEST"}
# Keys go to the partitions to which clients in Java send them.
_SENDS = {"acks": "all", "enable.idempotence": True, "partitioner": "murmur2_random", "linger.ms": 20, "log_level": 0}


@dataclass
class Sender:
    """A client that sends to one topic, and the messages that a broker didn't take."""

    store: KafkaTopic
    client: Producer
    where: Connection
    lost: list[KafkaError] = field(default_factory=list)

    def send(self, topic: str, key: str, value: str | None, version: int) -> None:
        """Send a message; without a value, it says that its key is gone."""
        body = None if value is None else value.encode()
        headers: dict[str, str | bytes | None] = {"version": str(version)}
        while True:
            try:
                self.client.produce(topic, body, key.encode(), headers=headers, on_delivery=self._delivered)
                self.client.poll(0)
            except BufferError:  # so many wait that some have to go first
                self.client.poll(0.1)
            else:
                return

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self.lost.append(error)

    def flush(self) -> None:
        """Wait until the brokers have all that was sent.

        Raises:
            SinkError: they haven't taken all of it.
        """
        begun = time.monotonic()
        while len(self.client) and time.monotonic() - begun < WAIT_SECONDS:
            # Not by flush(), which goes on to other callbacks when it finds that it's shut out, and fails in those.
            self.client.poll(0.5)
        if self.lost or len(self.client):
            raise refused(self, next(iter(self.lost), None))


@contextmanager
def sending(store: KafkaTopic) -> Iterator[Sender]:
    """A sender whose transaction is committed at the end of the block, and nobody reads of it if that fails.

    A sender shuts out those of the same topic that began before it: they can't commit any more.

    Raises:
        Superseded: another run has begun since, and goes on in the place of this one.
        SinkError: the brokers didn't take what was sent.
    """
    from confluent_kafka import KafkaException

    sender = _sender(store)
    try:
        if store.transactions:
            sender.client.init_transactions(WAIT_SECONDS)
            sender.client.begin_transaction()
        yield sender
        sender.flush()
        if store.transactions:
            _commit(sender)
    except KafkaException as error:
        raise refused(sender, error.args[0]) from error
    finally:
        _abort(sender)


def _sender(store: KafkaTopic) -> Sender:
    from confluent_kafka import Producer

    where = connection(store.connection)
    ours = {"transactional.id": f"lakehouse-sink-{store.topic}", "transaction.timeout.ms": TRANSACTION_SECONDS * 1000}
    client = Producer({**where.properties, **_SENDS, **(ours if store.transactions else {})})
    client.poll(0)  # before the first call, or there is no token for it
    return Sender(store, client, where)


def _commit(sender: Sender) -> None:
    sender.client.commit_transaction(WAIT_SECONDS)


def _abort(sender: Sender) -> None:
    """End a transaction that wasn't committed: what others send behind it would be read by nobody until then."""
    from confluent_kafka import KafkaException

    if sender.store.transactions:
        with suppress(KafkaException):  # there is none, or another run has ended it
            sender.client.abort_transaction(ANSWER_SECONDS)


def refused(sender: Sender, error: KafkaError | None) -> SinkError | Superseded:
    """Why the brokers didn't take what was sent, and what to do."""
    doing = f"Writing to the topic {sender.store.topic!r} at {sender.where.brokers}"
    names = {it.name() for it in (error, *sender.lost) if it}
    if names & _FENCED:
        return Superseded(f"{doing}: another run has begun since ({', '.join(sorted(names))})")
    if names & _WITHOUT:
        return SinkError(f"{doing}: the brokers have no transactions; say kafka_topic(…, transactions=False)")
    why = error.str() if error else "no answer"
    return SinkError(
        f"{doing}: {why}; see that it runs, and {sender.where.variable}. Nothing is lost: the next run makes up for it"
    )
