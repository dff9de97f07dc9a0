"""How a table takes in the messages of a topic: by the client and delta-rs, without Spark.

There is no ledger and no offset that a broker keeps. Each commit notes from which offset to which it has each
partition, and is made under the run's number, so a range is in the table or it isn't.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import Superseded
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_rs import committed_once, is_conflict
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.quality.expectation_counts import ExpectationCounts
from lakehouse_assets.engine.run.outcome import Outcome
from lakehouse_assets.engine.run.report import StreamReport
from lakehouse_assets.engine.sources.kafka.connection import unset
from lakehouse_assets.engine.sources.kafka.position import (
    Place,
    as_texts,
    lag,
    moved,
    place_of,
    require_there,
    topic_of,
)
from lakehouse_assets.engine.sources.kafka.read import Taken, as_rows, read, schema
from lakehouse_assets.engine.sources.kafka.topic import Standing, standing, total
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

# Small files are put together once in so many commits.
COMPACT_EVERY = 50
# Each commit is a file of the log; readers that are farther behind are rebuilt.
_PROPERTIES = {"delta.enableChangeDataFeed": "true", "delta.logRetentionDuration": "interval 3 days"}


def ingest(table: Table, context: Context) -> Outcome:
    """Take in the messages that are there now, in as many commits as it takes.

    What is in the table stays there, whatever is asked for: the messages as they came can't be computed anew.

    Raises:
        StreamUnavailable: the topic can't be read, or no longer has what is to be read next.
        Superseded: another run took them in first.
    """
    if off := unset(topic_of(table).connection):
        return Outcome(Plan(table, "nothing", f"{off} isn't set, so nothing is read"), 0)
    place, now = context.lake.table(table.key), standing(topic_of(table))
    log, taken, newest = read_log(place), 0, ""
    require_there(table, log, now)
    waiting = total(lag(table, log, now).values())
    first = log is None or not place_of(table, log).id
    while first or lag(table, log, now):
        log, found = _take(table, log or _created(place), now)
        first, taken = False, taken + len(found.messages)
        newest = max(newest, found.newest)
    assert log is not None  # noqa: S101  (it was made, if it wasn't there)
    told = StreamReport(topic_of(table).name, as_texts(place_of(table, log).nexts), waiting, taken, newest)
    plan = Plan(table, "append" if taken else "nothing", f"{taken:,} messages" if taken else "no new messages",
                log.transaction(table.key))  # fmt: skip
    return Outcome(plan, 0, log.version if taken else None, ExpectationCounts(judged=taken), stream=told)


def seek(table: Table, lake: Lake, user: str) -> tuple[Place, Place]:
    """Have a table go on with what its topic has, though messages are gone that weren't read; where it was, and is.

    A commit without rows notes that, and who said so.

    Raises:
        StreamUnavailable: the topic can't be looked at.
        Superseded: a run committed meanwhile.
    """
    place, now = lake.table(table.key), standing(topic_of(table))
    log = read_log(place) or _created(place)
    here, there = place_of(table, log), moved(table, log, now)
    if here != there:
        run, read_ = log.transaction(table.key) + 1, there.recorded(here.nexts) | {"sought_by": user}
        _append(log, schema().empty_table(), Stamp.of(table, run, {topic_of(table).key: read_}))
    return here, there


def _take(table: Table, log: TableLog, now: Standing) -> tuple[TableLog, Taken]:
    """One commit of messages, from where the table is on; the log after it."""
    topic, run, here = topic_of(table), log.transaction(table.key) + 1, place_of(table, log)
    before = {**now.begins, **here.nexts}
    found = read(topic, lag(table, log, now))
    read_ = Place(now.id, {**before, **found.nexts}).recorded(before)
    _append(log, as_rows(found, topic.name, run), Stamp.of(table, run, {topic.key: read_}))
    if not run % COMPACT_EVERY:
        log.table.optimize.compact()
    return TableLog(log.table), found


def _created(place: TableRef) -> TableLog:
    """The table without a row. Two writers of one that isn't there would both make it, and keep the rows of both."""
    from deltalake import DeltaTable

    made = DeltaTable.create(
        place.path, schema(), mode="ignore", configuration=_PROPERTIES, storage_options=dict(place.storage) or None
    )
    return TableLog(made)


def _append(log: TableLog, rows: pa.Table, stamp: Stamp) -> None:
    """Commit rows, once.

    Raises:
        Superseded: another run has committed under this number.
    """
    from deltalake import write_deltalake
    from deltalake.exceptions import CommitFailedError

    once = committed_once(stamp.app, stamp.run, stamp.metadata)
    try:
        write_deltalake(log.table, rows, mode="append", commit_properties=once)
    except CommitFailedError as error:
        if not is_conflict(error):
            raise
        raise Superseded(f"Writing {stamp.app}: run {stamp.run} was committed by another process") from error
    log.table.update_incremental()
