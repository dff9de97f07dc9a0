"""A topic as it stands: which one it is, and from where to where its partitions go."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from lakehouse_assets.engine.errors import StreamUnavailable, UnknownTopic
from lakehouse_assets.engine.sources.kafka.connection import Connection, connection
from lakehouse_assets.engine.spec.inputs import Topic

if TYPE_CHECKING:
    from confluent_kafka import KafkaError
    from confluent_kafka.admin import AdminClient

ANSWER_SECONDS = 10.0  # a broker that is there answers within 0.1
DOWN_SECONDS = 3.0  # so that one that is started anew isn't taken for down
POLL_SECONDS = 0.002  # of an answer, which takes 0.003 where the broker is near
T = TypeVar("T")
Offsets = Mapping[int, int]
# Of partitions, the offset of the first message and the one behind the last.
Spans = Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class Standing:
    """A topic by its id, which changes when it's made anew, and of each partition the first offset and the next one.

    Messages of a transaction that is still open are beyond the end.
    """

    id: str
    begins: Offsets
    ends: Offsets


@dataclass
class Heard:
    """What a client of librdkafka told of beside its answers: it would try again for ever, and raise nothing."""

    errors: list[KafkaError] = field(default_factory=list)

    @property
    def refused(self) -> KafkaError | None:
        """That the credentials aren't taken, or an offset is gone, which no further try mends."""
        names = ("_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "TOPIC_AUTHORIZATION_FAILED", "_AUTO_OFFSET_RESET")
        return next((error for error in self.errors if error.name() in names), None)

    @property
    def worst(self) -> KafkaError | None:
        """That which says most: why a broker isn't reached, and not that none is."""
        told = [error for error in self.errors if error.name() != "_ALL_BROKERS_DOWN"]
        return self.refused or next(iter(told[-1:] or self.errors[-1:]), None)

    def gives_up(self, seconds: float) -> bool:
        """Whether no answer is to be waited for any longer, after so many seconds without one."""
        down = any(error.name() == "_ALL_BROKERS_DOWN" for error in self.errors)
        return self.refused is not None or seconds > (DOWN_SECONDS if down else ANSWER_SECONDS)


def standing(topic: Topic) -> Standing:
    """How a topic stands now.

    Raises:
        SettingsError: no variable says where it is.
        StreamUnavailable: there is no such topic, or no broker answers, or none lets us in.
    """
    from confluent_kafka import IsolationLevel, TopicPartition
    from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # which it imports for us

    with admin_of(topic) as (client, asked):
        found = asked(_described(client, topic.name))
        partitions = [TopicPartition(topic.name, it.id) for it in found.partitions]

        def offsets(spec: OffsetSpec) -> Offsets:
            told = client.list_offsets(
                dict.fromkeys(partitions, spec), isolation_level=IsolationLevel.READ_COMMITTED,
                request_timeout=ANSWER_SECONDS,
            )  # fmt: skip
            return {it.partition: asked(future).offset for it, future in told.items()}

        return Standing(str(found.topic_id), offsets(OffsetSpec.earliest()), offsets(OffsetSpec.latest()))


def _described(client: AdminClient, name: str) -> Future[Any]:
    from confluent_kafka import TopicCollection

    told = client.describe_topics(TopicCollection([name]), request_timeout=ANSWER_SECONDS)
    future: Future[Any] = told[name]
    return future


@contextmanager
def admin_of(topic: Topic) -> Iterator[tuple[AdminClient, Any]]:
    """A client that asks about a topic, and what waits for an answer of it.

    Raises:
        StreamUnavailable: what is asked in the block is refused, or isn't answered.
    """
    from confluent_kafka.admin import AdminClient

    where, heard = connection(topic.connection), Heard()
    client = AdminClient(configured(where, heard))

    def asked(future: Future[T]) -> T:
        begun = time.monotonic()
        while not future.done() and not heard.gives_up(time.monotonic() - begun):
            client.poll(POLL_SECONDS)  # which hands over errors and asks for tokens
        return answer_of(future, topic, where, heard)

    with as_interrupts():
        client.poll(0)  # before the first call, or there is no token for it
        yield client, asked


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Let an interrupt be one that came while librdkafka had the word: its client makes a SystemError of that."""
    try:
        yield
    except SystemError as error:
        if error.__cause__ is None or isinstance(error.__cause__, Exception):
            raise
        raise error.__cause__ from None


def configured(where: Connection, heard: Heard) -> dict[str, Any]:
    """The properties of a client, which tells its errors to `heard` and prints nothing."""
    own = {"error_cb": heard.errors.append, "log_level": 0, "socket.connection.setup.timeout.ms": 5000}
    return {**own, **where.properties}


def answer_of(future: Future[T], topic: Topic, where: Connection, heard: Heard) -> T:
    from confluent_kafka import KafkaException

    if not future.done():
        raise unavailable(topic, where, heard.worst)
    try:
        return future.result()
    except KafkaException as error:
        raise unavailable(topic, where, heard.worst or error.args[0]) from error


def unavailable(topic: Topic, where: Connection, error: KafkaError | None) -> StreamUnavailable:
    """Why a topic can't be read, and what to do."""
    name, doing = error.name() if error else "", f"Reading the topic {topic.name!r} at {where.brokers}"
    if name == "UNKNOWN_TOPIC_OR_PART":
        return UnknownTopic(f"{doing}: there is no such topic; make it, or mend its name")
    if name in ("_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED"):
        return StreamUnavailable(f"{doing}: the credentials in {where.variable} aren't taken; renew them")
    if name == "TOPIC_AUTHORIZATION_FAILED":
        return StreamUnavailable(f"{doing}: the user of {where.variable} may not read it; give it that right")
    if name == "_AUTO_OFFSET_RESET":
        return StreamUnavailable(f"{doing}: an offset is gone that was there a moment ago; the next run says which")
    why = error.str() if error else "no answer"
    return StreamUnavailable(f"{doing}: no broker answers ({why}); see that it runs, and {where.variable}")


def behind(position: Offsets, now: Standing) -> Spans:
    """Of each partition that has more than was read: from where, and to where."""
    found = {p: (position.get(p, now.begins[p]), end) for p, end in now.ends.items()}
    return {p: span for p, span in found.items() if span[0] < span[1]}


def total(spans: Iterable[tuple[int, int]]) -> int:
    """How many offsets that is: no fewer than the messages, as marks of transactions take offsets too."""
    return sum(end - begin for begin, end in spans)
