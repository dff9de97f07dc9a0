"""Which version of a Delta table each target has: a row of the table `lakehouse_sinks`, beside the targets."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from lakehouse_assets.engine.sinks.held import Held
from lakehouse_assets.engine.sinks.postgres.connection import LOCK_SECONDS
from lakehouse_assets.engine.spec.sinks.sink import Postgres

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor
    from psycopg2.sql import Composable

TABLE = "lakehouse_sinks"
# A run that hangs loses what it has begun, so that it holds no other back for ever.
IDLE_SECONDS = 600
_COLUMNS = "target text PRIMARY KEY, sink text NOT NULL, table_id text NOT NULL, version bigint NOT NULL, " \
           "columns text NOT NULL, written_at timestamp with time zone NOT NULL"  # fmt: skip


def lock(cursor: Cursor, what: str) -> None:
    """Wait until no other transaction has this lock; it's let go at the end of this one.

    Limits are told here and not as it connects, which a pooler such as PgBouncer would refuse.
    """
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    number = int.from_bytes(sha256(f"lakehouse sink {what}".encode()).digest()[:8], "big", signed=True)
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (number,))


def prepare(cursor: Cursor, store: Postgres) -> None:
    """Have the table of progress there."""
    if not _is_there(cursor, store):
        lock(cursor, TABLE)  # two that make it at once would get in each other's way
        from psycopg2 import sql

        cursor.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} (" + _COLUMNS + ")").format(_name(store)))


def held(cursor: Cursor, store: Postgres) -> Held | None:
    """What the store has; None if no run of a sink has written to the target."""
    from psycopg2 import sql

    if not _is_there(cursor, store):
        return None
    asked = sql.SQL("SELECT table_id, version, columns FROM {} WHERE target = %s").format(_name(store))
    cursor.execute(asked, (store.table,))
    found = cursor.fetchone()
    return Held(*found) if found else None


def record(cursor: Cursor, store: Postgres, sink: str, now: Held) -> None:
    """Write down what the store has, in the transaction that put it there."""
    from psycopg2 import sql

    put = sql.SQL(
        "INSERT INTO {} VALUES (%s, %s, %s, %s, %s, now()) ON CONFLICT (target) DO UPDATE SET "
        "sink = excluded.sink, table_id = excluded.table_id, version = excluded.version, "
        "columns = excluded.columns, written_at = excluded.written_at"
    )
    cursor.execute(put.format(_name(store)), (store.table, sink, now.id, now.version, now.columns))


def _is_there(cursor: Cursor, store: Postgres) -> bool:
    cursor.execute("SELECT to_regclass(%s)", (_name(store).as_string(cursor),))
    return bool(cursor.fetchall() != [(None,)])


def _name(store: Postgres) -> Composable:
    from psycopg2 import sql

    return sql.Identifier(*([store.schema] if store.schema else []), TABLE)
