"""Which version of a Delta table a topic has: the newest message of a topic beside it, in the same transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from lakehouse_assets.engine.errors import StreamUnavailable, UnknownTopic
from lakehouse_assets.engine.sinks.held import Held
from lakehouse_assets.engine.sources.kafka.read import read
from lakehouse_assets.engine.sources.kafka.topic import (
    ANSWER_SECONDS,
    POLL_SECONDS,
    Spans,
    Standing,
    admin_of,
    standing,
)
from lakehouse_assets.engine.spec.inputs import Topic
from lakehouse_assets.engine.spec.sinks.sink import KafkaTopic

# A message and the mark of its transaction take two offsets, so the last one is mostly among these.
_LOOKED_BACK = 16
_COMPACTED = {"cleanup.policy": "compact"}
# So that what is old in it goes within hours, and not once there is a gigabyte.
_SHORT = {**_COMPACTED, "segment.ms": "3600000"}


@dataclass(frozen=True)
class Marked:
    """What the newest message of progress says, and the id of the topic that it was said of."""

    held: Held
    topic: str

    @property
    def text(self) -> str:
        return json.dumps({"topic": self.topic, "held": asdict(self.held)})


def topic_of(store: KafkaTopic) -> Topic:
    return Topic(store.topic, store.connection)


def progress_of(store: KafkaTopic) -> Topic:
    """The topic that has the progress of another."""
    return Topic(f"{store.topic}.lakehouse-progress", store.connection)


def marked(store: KafkaTopic) -> Marked | None:
    """What the topic has; None if no run of a sink has written to it.

    Raises:
        StreamUnavailable: no broker answers, or none lets us in.
    """
    topic, back = progress_of(store), _LOOKED_BACK
    try:
        now = standing(topic)
    except UnknownTopic:
        return None
    begin, end = now.begins[0], now.ends[0]
    while begin < end:
        since = max(begin, end - back)
        told = [value for _, value in messages(topic, {0: (since, end)}) if value]
        if told:
            found = json.loads(told[-1])
            return Marked(Held(**found["held"]), found["topic"])
        if since == begin:
            break
        back *= _LOOKED_BACK
    return None


def messages(topic: Topic, spans: Spans) -> Iterator[tuple[str, str | None]]:
    """Key and value of each message between some offsets that has a key, and whose transaction was committed."""
    while spans:
        taken = read(topic, spans)
        for message in taken.messages:
            key, value = message.key(), message.value()
            if key is not None:
                yield key.decode(errors="replace"), None if value is None else value.decode(errors="replace")
        spans = {partition: (taken.nexts[partition], end) for partition, end in taken.left.items()}


def prepare(store: KafkaTopic) -> Standing:
    """Have both topics there, compacted, so that of each key the newest message is kept; how that of the rows stands.

    Raises:
        StreamUnavailable: they can't be made, or no broker answers.
    """
    _there(progress_of(store), _SHORT, partitions=1)
    return _there(topic_of(store), _COMPACTED)


def _there(topic: Topic, how: Mapping[str, str], partitions: int = -1) -> Standing:
    """A topic as it stands, made if it isn't there, with as many partitions as the brokers give by themselves."""
    from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # which it imports for us

    try:
        return standing(topic)
    except UnknownTopic:
        with suppress(StreamUnavailable), admin_of(topic) as (client, asked):  # another run may make it at once
            asked(client.create_topics([NewTopic(topic.name, partitions, config=dict(how))])[topic.name])
    until = time.monotonic() + ANSWER_SECONDS
    while True:  # brokers tell each other of a topic that is new
        try:
            return standing(topic)
        except StreamUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(POLL_SECONDS)
