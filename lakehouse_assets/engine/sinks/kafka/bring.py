"""Brings a topic to the version of a Delta table: a message for each row that changed, and the progress with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from lakehouse_assets.engine.errors import SinkError, UnreadableInput
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.sinks.feed import changes, whole
from lakehouse_assets.engine.sinks.held import Brought, Decision, Held, Work, decided
from lakehouse_assets.engine.sinks.images import Images, images
from lakehouse_assets.engine.sinks.kafka import progress
from lakehouse_assets.engine.sinks.kafka.sender import Sender, sending
from lakehouse_assets.engine.sinks.turns import in_turn
from lakehouse_assets.engine.sources.kafka.topic import Standing, standing
from lakehouse_assets.engine.spec.sinks.sink import KafkaTopic


def held(store: KafkaTopic) -> Held | None:
    """What the topic has of the table; None for nothing.

    Raises:
        StreamUnavailable: no broker answers, or none lets us in.
    """
    found = progress.marked(store)
    return found.held if found else None


def bring(work: Work, store: KafkaTopic, full: Decision | None) -> Brought:
    """Bring the topic to the newest version of the table, whatever others do at the same time.

    A run shuts out those that began before it, and only then looks at what the topic has and at the table. So none can
    send older values after newer ones, however late it comes; without transactions, it can.

    Raises:
        SinkError: the brokers don't take the rows, or other runs kept beginning first.
        StreamUnavailable: no broker answers, or none lets us in.
    """
    return in_turn(work, lambda: _attempt(work, store, full), lambda: held(store))


def _attempt(work: Work, store: KafkaTopic, full: Decision | None) -> Brought:
    there = _is_there(work, store, progress.prepare(store))
    if there and not full:
        return there
    with sending(store) as sender:
        now, before, log = standing(progress.topic_of(store)), progress.marked(store), work.log()
        if log is None:
            raise SinkError(f"Bringing {work.table.key} to {work.sink.key}: the table isn't there any more; build it")
        decision = full or _decided(log, before, work, now)
        after = before.held.version if before and before.held.id == log.id else None
        done = _sent(sender, work, log, Brought(decision, log.id, log.version, after), now)
        mark = progress.Marked(work.held(log), now.id)
        sender.flush()  # so that without transactions, the progress comes after all of it
        sender.send(progress.progress_of(store).name, store.topic, mark.text, log.version)
    return done


def _is_there(work: Work, store: KafkaTopic, now: Standing) -> Brought | None:
    """That nothing is to be done, which shuts out nobody; None where there is something."""
    log, before = work.log(), progress.marked(store)
    if log is None or before != progress.Marked(work.held(log), now.id):
        return None
    unchanged = Decision("nothing", f"no row has changed since version {log.version}")
    return Brought(unchanged, log.id, log.version, log.version)


def _decided(log: TableLog, before: progress.Marked | None, work: Work, now: Standing) -> Decision:
    if before and before.topic != now.id:
        return Decision("full", "the topic was made anew")
    return decided(log, before.held if before else None, work.held(log))


def _sent(sender: Sender, work: Work, log: TableLog, to_do: Brought, now: Standing) -> Brought:
    """Send what changed; of the decision, and how many messages."""
    counts = {True: 0, False: 0}
    with _changed(work, log, to_do.decision, sender.store, now) as (decision, found):
        for key, value in found.changed():
            sender.send(sender.store.topic, key, value, log.version)
            counts[value is None] += 1
    return replace(to_do, decision=decision, upserted=counts[False], deleted=counts[True])


@contextmanager
def _changed(
    work: Work, log: TableLog, decision: Decision, store: KafkaTopic, now: Standing
) -> Iterator[tuple[Decision, Images]]:
    """The images of the rows that changed, or of all rows and all messages where the changes can't be read."""
    columns, key = [*work.columns(log)], work.table.keys
    with images() as found:
        if decision.strategy == "upsert":
            try:
                found.add(changes(log, decision.news, columns), key, columns, log.version)
            except UnreadableInput as error:
                found.forget()
                decision = Decision("full", str(error))
        if decision.strategy == "full":
            spans = {partition: (begin, now.ends[partition]) for partition, begin in now.begins.items()}
            found.found(progress.messages(progress.topic_of(store), {p: s for p, s in spans.items() if s[0] < s[1]}))
            found.add(whole(log, columns), key, columns, log.version)
        yield decision, found
