"""Sends the events of a simulation to topics, each when its time has come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import StreamUnavailable
from lakehouse_assets.engine.sources.kafka.connection import Connection
from lakehouse_assets.engine.sources.kafka.topic import ANSWER_SECONDS, Heard, as_interrupts, configured
from lakehouse_assets.simulation import Event, Timed

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message
    from confluent_kafka.admin import AdminClient

PARTITIONS = 2
LOOK_SECONDS = 0.1  # between two looks whether it goes on
CONNECT_SECONDS = 5.0  # a broker that is there answers within 0.1
SECOND = timedelta(seconds=1)
# Each message is sent once, and in order by key, though it may take several tries.
_SENDS = {"enable.idempotence": True, "linger.ms": 20, "message.timeout.ms": round(ANSWER_SECONDS * 1000)}


def make_topics(where: Connection, names: Sequence[str]) -> None:
    """Make the topics that aren't there, and return once they can be read.

    Raises:
        StreamUnavailable: no broker answers or lets us in, or we may not make them.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # which it imports for us

    heard = Heard()
    client = AdminClient(configured(where, heard))
    try:
        with as_interrupts():
            there = client.list_topics(timeout=CONNECT_SECONDS).topics
            missing = [NewTopic(name, PARTITIONS) for name in names if name not in there]
            for future in client.create_topics(missing).values() if missing else ():
                future.result()
            _wait_for_leaders(client, [topic.topic for topic in missing])
    except KafkaException as error:
        raise _unavailable(f"Making the topics {', '.join(names)}", where, heard.worst or error.args[0]) from error


def _wait_for_leaders(client: AdminClient, names: Sequence[str]) -> None:
    """A new topic can be read once a broker leads each of its partitions, some tenths of a second later."""
    from confluent_kafka import KafkaException, TopicPartition
    from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # which it imports for us

    ends = {TopicPartition(name, at): OffsetSpec.latest() for name in names for at in range(PARTITIONS)}
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            for future in client.list_offsets(ends).values():
                future.result()
            return
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def sent(
    timed: Iterable[Timed], where: Connection, start: datetime, speed: float, goes_on: Callable[[], bool]
) -> Iterator[Event]:
    """Send each event at its time, which goes by `speed` times as fast as ours and is `start` now; gives each one sent.

    It ends with the events, or once it doesn't go on.

    Raises:
        StreamUnavailable: no broker takes them.
    """
    outbox, begun = _Outbox(where), time.monotonic()
    try:
        for due, event in timed:
            if not outbox.wait(begun + (due - start) / SECOND / speed, goes_on):
                break
            outbox.put(event)
            yield event
    finally:
        outbox.client.flush(ANSWER_SECONDS)
    outbox.require_all_sent()


class _Outbox:
    """A producer, and why messages of it were lost."""

    def __init__(self, where: Connection) -> None:
        from confluent_kafka import Producer

        self.where, self.heard, self.lost = where, Heard(), list["KafkaError"]()
        self.client = Producer({**configured(where, self.heard), **_SENDS})

    def wait(self, until: float, goes_on: Callable[[], bool]) -> bool:
        """Wait until it's time, and hear meanwhile what became of the messages; False once it doesn't go on."""
        self.client.poll(0)
        while goes_on() and (left := until - time.monotonic()) > 0:
            self.client.poll(min(left, LOOK_SECONDS))
        self.require_all_sent()
        return goes_on()

    def put(self, event: Event) -> None:
        value = json.dumps(event.value)
        while True:
            try:
                return self.client.produce(event.topic, value, event.key, on_delivery=self._delivered)
            except BufferError:  # so many wait to be sent
                self.client.poll(0.1)
                self.require_all_sent()

    def require_all_sent(self) -> None:
        if self.lost:
            raise _unavailable("Sending messages", self.where, self.heard.worst or self.lost[0])

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error:
            self.lost.append(error)


def _unavailable(doing: str, where: Connection, error: KafkaError) -> StreamUnavailable:
    return StreamUnavailable(
        f"{doing} at {where.brokers}: {error.str()}; see that the broker runs and lets us in, and {where.variable}"
    )
