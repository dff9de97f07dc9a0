"""Brings a table of PostgreSQL to the version of a Delta table: its rows and its progress in one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import SinkError, UnreadableInput
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.sinks.feed import changes, whole
from lakehouse_assets.engine.sinks.held import Brought, Decision, Held, Work, decided
from lakehouse_assets.engine.sinks.postgres import progress
from lakehouse_assets.engine.sinks.postgres.connection import transaction
from lakehouse_assets.engine.sinks.postgres.staged import delete, forget, reduce, stage, upsert
from lakehouse_assets.engine.sinks.postgres.target import fit
from lakehouse_assets.engine.spec.sinks.sink import Postgres

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


def held(store: Postgres) -> Held | None:
    """What the database has of the table; None for nothing.

    Raises:
        SinkError: it can't be reached.
    """
    with transaction(store) as connection, connection.cursor() as cursor:
        return progress.held(cursor, store)


def bring(work: Work, store: Postgres, full: Decision | None) -> Brought:
    """Bring the target to the newest version of the table, whatever others do at the same time.

    A run waits for its turn, and only then looks at what the database has and at the table. So it can't put older
    values over newer ones, however late it comes.

    Raises:
        SinkError: the database can't be reached, or doesn't take the rows.
    """
    with transaction(store) as connection, connection.cursor() as cursor:
        progress.prepare(cursor, store)
        connection.commit()
        progress.lock(cursor, store.target)
        return _in_turn(cursor, work, store, full)


def _in_turn(cursor: Cursor, work: Work, store: Postgres, full: Decision | None) -> Brought:
    log = work.log()
    if log is None:
        raise SinkError(f"Bringing {work.table.key} to {work.sink.key}: the table isn't there any more; build it")
    before, now, columns = progress.held(cursor, store), work.held(log), work.columns(log)
    lacking = fit(cursor, store, columns, work.table.keys)
    decision = full or (Decision("full", lacking) if lacking else decided(log, before, now))
    done = Brought(decision, log.id, log.version, before.version if before and before.id == log.id else None)
    if decision.strategy != "nothing":
        done = _applied(cursor, work, store, log, done)
    if before != now:
        progress.record(cursor, store, work.sink.key, now)
    return done


def _applied(cursor: Cursor, work: Work, store: Postgres, log: TableLog, to_do: Brought) -> Brought:
    key, columns = work.table.keys, work.columns(log)
    done = _staged(cursor, work, store, log, to_do)
    reduce(cursor, key)
    deleted = delete(cursor, store, key, others=done.decision.strategy == "full")
    return replace(done, deleted=deleted, upserted=upsert(cursor, store, [*columns], key))


def _staged(cursor: Cursor, work: Work, store: Postgres, log: TableLog, to_do: Brought) -> Brought:
    """With the rows that changed staged, or with all of them where the changes can't be read."""
    columns = work.columns(log)
    if to_do.decision.strategy == "upsert":
        try:
            stage(cursor, store, columns, changes(log, to_do.decision.news, [*columns]), log.version)
        except UnreadableInput as error:
            forget(cursor)
            to_do = replace(to_do, decision=Decision("full", str(error)))
        else:
            return to_do
    stage(cursor, store, columns, whole(log, [*columns]), log.version)
    return to_do
