"""Connections to PostgreSQL, by a variable of the environment: `postgresql://USER:PASSWORD@HOST/DATABASE`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import SettingsError, SinkError
from lakehouse_assets.engine.spec.connections import value_of
from lakehouse_assets.engine.spec.sinks.sink import Postgres

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

CONNECT_SECONDS = 5
# For another run of the same sink, which brings the store as far as this one would.
LOCK_SECONDS = 300
_URL = re.compile(r"postgres(ql)?://.+")


def url_of(store: Postgres) -> str:
    """Where the database is.

    Raises:
        SettingsError: its variable isn't set, or has no such URL.
    """
    told = value_of(store.variable)
    if _is_url(told):
        return told
    what = "isn't a URL of PostgreSQL" if told else "isn't set"
    raise SettingsError(
        f"Looking for PostgreSQL: {store.variable} {what}; set it to postgresql://USER:PASSWORD@HOST/DATABASE"
    )


def _is_url(told: str) -> bool:
    from psycopg2 import ProgrammingError
    from psycopg2.extensions import parse_dsn

    try:
        return _URL.fullmatch(told) is not None and bool(parse_dsn(told))
    except ProgrammingError:  # which has the whole of it, with the password
        return False


@contextmanager
def transaction(store: Postgres) -> Iterator[Connection]:
    """A transaction, which is committed at the end of the block; it's as if it had never been if that fails.

    Raises:
        SettingsError: its variable isn't set, or has no such URL.
        SinkError: the database can't be reached, or refuses what it's asked.
    """
    import psycopg2

    told = {"connect_timeout": CONNECT_SECONDS, "client_encoding": "utf8", "application_name": "lakehouse"}
    try:
        found = psycopg2.connect(url_of(store), keepalives_idle=30, **told)
        with closing(found) as connection, connection:
            yield connection
    except psycopg2.Error as error:
        raise refused(store, error) from error


def refused(store: Postgres, error: Exception) -> SinkError:
    """Why the database didn't do what it was asked, and what to do."""
    import psycopg2

    told = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    doing, why = f"Writing to {store.target!r} in PostgreSQL", re.sub(r"^connection to server ", "", told[0])
    if isinstance(error, psycopg2.errors.LockNotAvailable):
        return SinkError(f"{doing}: another run has been writing to it for {LOCK_SECONDS} s; let it end, and run again")
    if isinstance(error, psycopg2.OperationalError):
        return SinkError(
            f"{doing}: {why}; see that it runs, and {store.variable}. Nothing is lost: the next run makes up for it"
        )
    return SinkError(f"{doing}: {why}. Nothing was written; mend that, and run again", told[1:3])
