"""Brings a container to the version of a Delta table: an item for each row that changed, and then the progress.

A run that is killed has put some of the items there and no progress, so the next one does all of it again. It also
writes over those that would stay as they are: the run before it may not be dead, and finds then that it's shut out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import SinkError, UnreadableInput
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.sinks.cosmos.connection import connected
from lakehouse_assets.engine.sinks.cosmos.items import Items, item_text, row_text
from lakehouse_assets.engine.sinks.cosmos.progress import Turn, marked, take
from lakehouse_assets.engine.sinks.cosmos.target import prepare
from lakehouse_assets.engine.sinks.cosmos.writer import Writer
from lakehouse_assets.engine.sinks.feed import changes, whole
from lakehouse_assets.engine.sinks.held import Brought, Decision, Held, Work, decided
from lakehouse_assets.engine.sinks.images import Images, images
from lakehouse_assets.engine.sinks.turns import in_turn
from lakehouse_assets.engine.spec.sinks.sink import Cosmos

if TYPE_CHECKING:
    from azure.cosmos import ContainerProxy, CosmosClient

# For what a run that was shut out has on its way: its look at the progress may be 5 s old, and the client waits for up
# to 30 s where the account is throttled. All rows are compared only after that, as it may put rows there that neither
# the table nor the container has. One of a process that was stopped for longer, just as it was sending, stays until all
# rows are compared again.
QUIET_SECONDS = 45.0
# For that, and for all the rows that another run writes; or two of them would shut each other out again and again.
PATIENCE_SECONDS = 300.0


def held(store: Cosmos) -> Held | None:
    """What the container has of the table; None for nothing.

    Raises:
        SinkError: the account can't be reached.
    """
    with connected(store) as client:
        return marked(client, store).held


def bring(work: Work, store: Cosmos, full: Decision | None) -> Brought:
    """Bring the container to the newest version of the table, whatever others do at the same time.

    A run shuts out those that began before it, and only then looks at what the container has and at the table. So none
    can put older values over newer ones, or put back what was taken out, however late it comes.

    Raises:
        SinkError: the account doesn't take the rows, or other runs kept beginning first.
    """
    with connected(store) as client:
        return in_turn(
            work, lambda: _attempt(client, work, store, full), lambda: marked(client, store).held, PATIENCE_SECONDS
        )


def _attempt(client: CosmosClient, work: Work, store: Cosmos, full: Decision | None) -> Brought:
    rows, progress, container = prepare(client, store)
    there = _is_there(client, work, store, container)
    if there and not full:
        return there
    turn, log = take(progress, store), work.log()
    if log is None:
        raise SinkError(f"Bringing {work.table.key} to {work.sink.key}: the table isn't there any more; build it")
    before, now = turn.before.held, work.held(log)
    decision = full or _decided(log, turn, now, container)
    after = before.version if before and before.id == log.id else None
    done = _written(Writer(rows, turn, log.version, log.id), work, log, Brought(decision, log.id, log.version, after))
    turn.record(container, now)
    return done


def _is_there(client: CosmosClient, work: Work, store: Cosmos, container: str) -> Brought | None:
    """That nothing is to be done, which shuts out nobody; None where there is something."""
    log, mark = work.log(), marked(client, store)
    if log is None or not mark.is_ended or (mark.held, mark.container) != (work.held(log), container):
        return None
    unchanged = Decision("nothing", f"no row has changed since version {log.version}")
    return Brought(unchanged, log.id, log.version, log.version)


def _decided(log: TableLog, turn: Turn, now: Held, container: str) -> Decision:
    if turn.before.held and turn.before.container != container:
        return Decision("full", "the container was made anew")
    if turn.before.goes_back(now):
        return Decision("full", "a run that compared all rows, or wrote other ones, hasn't ended")
    return decided(log, turn.before.held, now)


def _written(writer: Writer, work: Work, log: TableLog, to_do: Brought) -> Brought:
    """Write what changed; of the decision, and how many rows."""
    with _changed(writer, work, log, to_do.decision) as (decision, found):
        writer.write(found.changed(every=not writer.turn.before.is_ended))
    return replace(to_do, decision=decision, upserted=writer.counts[False], deleted=writer.counts[True])


@contextmanager
def _changed(writer: Writer, work: Work, log: TableLog, decision: Decision) -> Iterator[tuple[Decision, Images]]:
    """The images of the rows that changed, or of all rows and all items where the changes can't be read."""
    columns, key = [*work.columns(log)], work.table.keys
    with images(writer.items.of_key, row_text) as found:
        if decision.strategy == "upsert":
            try:
                found.add(changes(log, decision.news, columns), key, columns, log.version)
                writer.turn.begin(work.held(log), all_rows=False)
            except UnreadableInput as error:
                found.forget()
                decision = Decision("full", str(error))
        if decision.strategy == "full":
            writer.turn.begin(work.held(log), all_rows=True)
            if not writer.turn.before.is_ended:
                time.sleep(QUIET_SECONDS)
            found.found(_stored(writer.rows, writer.items))
            found.add(whole(log, columns), key, columns, log.version)
        yield decision, found


def _stored(rows: ContainerProxy, items: Items) -> Iterator[tuple[str, str]]:
    """All items that weren't taken out, as rows."""
    asked = "SELECT * FROM c WHERE NOT IS_DEFINED(c._deleted)"
    for item in rows.query_items(asked, enable_cross_partition_query=True):
        yield items.of_item(item), item_text(item)
