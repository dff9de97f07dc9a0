"""The tables of the online store, and the connections to it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import FeatureError

if TYPE_CHECKING:
    from sqlalchemy import Engine, Table

WAIT_SECONDS = 30  # for a writer of the same SQLite file


@cache
def tables() -> Mapping[str, Table]:
    """The rows of all features tables, and what is held of each."""
    from sqlalchemy import BigInteger, Column, MetaData, Table, Text

    made = MetaData()
    return {
        "rows": Table(
            "lakehouse_online_rows", made, Column("features", Text, primary_key=True),
            Column("entity", Text, primary_key=True), Column("row", Text, nullable=False), sqlite_with_rowid=False,
        ),
        "held": Table(
            "lakehouse_online", made, Column("features", Text, primary_key=True), Column("id", Text, nullable=False),
            Column("version", BigInteger, nullable=False), Column("rows", BigInteger, nullable=False),
        ),
    }  # fmt: skip


@cache
def connected(url: str) -> Engine:
    """Connections to a store, shared by this process; its tables are made where they aren't there yet.

    Raises:
        FeatureError: it isn't a store that we know, or can't be reached.
    """
    from sqlalchemy import create_engine, event
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import DBAPIError

    parts = make_url(url)
    if parts.drivername == "sqlite":
        Path(str(parts.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parts, connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False})
        event.listen(engine, "connect", _as_we_begin)
    else:
        driver = parts.set(drivername="postgresql+psycopg2")  # which comes with dagster-postgres
        engine = create_engine(driver, pool_pre_ping=True, connect_args={"connect_timeout": WAIT_SECONDS})
    try:
        _create(engine)
    except DBAPIError as error:
        why = str(error.orig).strip().splitlines()[0]
        shown = parts.render_as_string(hide_password=True)
        raise FeatureError(f"Opening the online store {shown}: {why}; see that LAKEHOUSE_ONLINE is right") from error
    return engine


def _create(engine: Engine) -> None:
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    metadata = tables()["rows"].metadata
    try:
        metadata.create_all(engine)
    except (IntegrityError, ProgrammingError, OperationalError):  # another process made them at the same moment
        metadata.create_all(engine)


def _as_we_begin(connection: Any, _record: Any) -> None:
    """Have transactions begin when we say so, and readers go on beside a writer."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
