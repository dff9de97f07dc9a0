"""The online store: the latest values of each entity in SQLite or PostgreSQL, looked up in a millisecond or two.

All features tables share two tables there. One has a row for each entity, as JSON, by the features table and the
entity's key. The other has, for each features table, the id and version of the Delta table that its rows are those of.
Both are written in one transaction, so readers see the rows of one version or of the next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import FeatureError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

CHUNK = 500  # parameters of a statement; SQLite takes 32,766, and older ones 999

# How a transaction begins, by the database and whether it writes.
_BEGIN = {
    ("sqlite", False): "BEGIN",
    ("sqlite", True): "BEGIN IMMEDIATE",
    ("postgresql", False): "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    ("postgresql", True): "LOCK TABLE lakehouse_online IN SHARE ROW EXCLUSIVE MODE",
}


@dataclass(frozen=True)
class Held:
    """What the online store holds of a features table: the rows of a version of its Delta table, and how many."""

    id: str
    version: int
    rows: int


@dataclass(frozen=True)
class Change:
    """What is to become of the rows of a features table: these entities get these rows, or leave where there is none.

    `entities` is None for a whole table, whose other rows leave.
    """

    rows: Mapping[str, str]
    entities: Collection[str] | None = None


@dataclass(frozen=True)
class OnlineStore:
    """An online store, by its SQLAlchemy URL."""

    url: str

    def held(self, key: str) -> Held | None:
        """What it holds of the features table of this key; None for nothing.

        Raises:
            FeatureError: the store can't be reached.
        """
        with self._transaction() as connection:
            return self._held(connection, key)

    def find(self, key: str, entities: Sequence[str]) -> dict[str, str]:
        """The rows of those of the entities that it has, all of one version of the features table.

        Raises:
            FeatureError: the store can't be reached.
        """
        from sqlalchemy import select

        rows, found = self._tables["rows"].c, dict[str, str]()
        with self._transaction() as connection:
            for start in range(0, len(entities), CHUNK):
                some = list(entities[start : start + CHUNK])
                asked = select(rows.entity, rows.row).where(rows.features == key, rows.entity.in_(some))
                found.update((str(entity), str(row)) for entity, row in connection.execute(asked))
        return found

    def commit(self, key: str, before: Held | None, to: Held, change: Change) -> bool:
        """Put a change of a features table in place, in one transaction with the version it leads to.

        False, with nothing done, if what is held isn't `before` any more, as another run was quicker.

        Raises:
            FeatureError: the store can't be reached.
        """
        from sqlalchemy import delete, func, insert, select

        rows, held = self._tables["rows"], self._tables["held"]
        with self._transaction(writes=True) as connection:
            if self._held(connection, key) != before:
                return False
            self._remove(connection, key, change.entities)
            new = [{"features": key, "entity": entity, "row": row} for entity, row in change.rows.items()]
            if new:
                connection.execute(insert(rows), new)
            number = connection.execute(select(func.count()).where(rows.c.features == key)).scalar_one()
            connection.execute(delete(held).where(held.c.features == key))
            connection.execute(insert(held).values(features=key, id=to.id, version=to.version, rows=number))
        return True

    def _remove(self, connection: Connection, key: str, entities: Collection[str] | None) -> None:
        from sqlalchemy import delete

        rows = self._tables["rows"]
        of_table = delete(rows).where(rows.c.features == key)
        if entities is None:
            connection.execute(of_table)
            return
        listed = list(entities)
        for start in range(0, len(listed), CHUNK):
            connection.execute(of_table.where(rows.c.entity.in_(listed[start : start + CHUNK])))

    def _held(self, connection: Connection, key: str) -> Held | None:
        from sqlalchemy import select

        held = self._tables["held"].c
        found = connection.execute(select(held.id, held.version, held.rows).where(held.features == key)).first()
        return Held(*found) if found else None

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        """One that sees one state of the store; of two that write, the second waits for the first."""
        from sqlalchemy import text
        from sqlalchemy.exc import DBAPIError

        try:
            with self._engine.connect() as connection, connection.begin():
                connection.execute(text(_BEGIN[self._engine.dialect.name, writes]))
                yield connection
        except DBAPIError as error:
            raise _away(self.shown, error) from error

    @property
    def shown(self) -> str:
        """Its URL without the password."""
        return self._engine.url.render_as_string(hide_password=True)

    @cached_property
    def _engine(self) -> Engine:
        """Connections to it; its tables are made where they aren't there yet."""
        from lakehouse_assets.engine.feature_store.online_tables import connected

        return connected(self.url)

    @cached_property
    def _tables(self) -> Mapping[str, Table]:
        from lakehouse_assets.engine.feature_store.online_tables import tables

        return tables()


def _away(shown: str, error: Any) -> FeatureError:
    why = str(error.orig).strip().splitlines()[0]
    return FeatureError(
        f"Reaching the online store {shown}: {why}; see that it runs and that LAKEHOUSE_ONLINE is right. The next run "
        "makes up for what is missing"
    )
