"""The table that a sink writes to: made where it isn't there, given the columns that it lacks, or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import SinkError
from lakehouse_assets.engine.spec.sinks.sink import Postgres

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor
    from psycopg2.sql import Composable

_TYPES = {
    "string": "text", "boolean": "boolean", "tinyint": "smallint", "smallint": "smallint", "int": "integer",
    "bigint": "bigint", "float": "real", "double": "double precision", "date": "date", "binary": "bytea",
    "timestamp": "timestamp with time zone", "timestamp_ntz": "timestamp without time zone", "variant": "jsonb",
}  # fmt: skip
# What else holds each value of a type.
_WIDER = {
    "text": {"character varying"}, "smallint": {"integer", "bigint", "numeric"}, "integer": {"bigint", "numeric"},
    "bigint": {"numeric"}, "real": {"double precision"},
}  # fmt: skip


def type_of(kind: str) -> str:
    """PostgreSQL's type of the values of a Spark type; arrays, maps and structs are JSON there."""
    if decimal := re.fullmatch(r"decimal\((\d+), ?(\d+)\)", kind):
        return f"numeric({decimal[1]},{decimal[2]})"
    return _TYPES.get(kind.removesuffix(" collate"), "jsonb")


def name_of(store: Postgres) -> Composable:
    """The target's name as SQL has it."""
    from psycopg2 import sql

    return sql.Identifier(*([store.schema] if store.schema else []), store.table)


def fit(cursor: Cursor, store: Postgres, columns: Mapping[str, str], key: Sequence[str]) -> str:
    """Have the target take these columns; why all rows have to be brought anew, empty if they haven't.

    Raises:
        SinkError: it has another key, or a column of a type that doesn't hold what the table has.
    """
    wanted = {name: type_of(kind) for name, kind in columns.items()}
    there = _there(cursor, store)
    if there is None:
        _create(cursor, store, wanted, key)
        return "the store has no such table yet"
    _refuse_key(cursor, store, key)
    for name, kind in wanted.items():
        found = there.get(name, kind)
        if found not in {kind, *_WIDER.get(kind, ())} and not (kind.startswith("numeric") and found == "numeric"):
            raise SinkError(
                f"Writing to {store.target!r} in PostgreSQL: its column {name!r} is {found}, and the table's is "
                f"{columns[name]}, which takes {kind}; change its type there, or leave it out by columns=[…]"
            )
    lacking = {name: kind for name, kind in wanted.items() if name not in there}
    _add(cursor, store, lacking)
    return f"the store's table lacked {', '.join(lacking)}" if lacking else ""


def _there(cursor: Cursor, store: Postgres) -> dict[str, str] | None:
    """Its columns with their types; None if there is no such table."""
    cursor.execute("SELECT to_regclass(%s)", (name_of(store).as_string(cursor),))
    if cursor.fetchall() == [(None,)]:
        return None
    cursor.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        (name_of(store).as_string(cursor),),
    )
    return dict(cursor.fetchall())


def _refuse_key(cursor: Cursor, store: Postgres, key: Sequence[str]) -> None:
    cursor.execute(
        "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey) "
        "WHERE indrelid = to_regclass(%s) AND indisprimary",
        (name_of(store).as_string(cursor),),
    )
    found = {name for (name,) in cursor.fetchall()}
    if found != set(key):
        raise SinkError(
            f"Writing to {store.target!r} in PostgreSQL: its primary key is ({', '.join(sorted(found))}), and the key "
            f"of the rows is ({', '.join(key)}); make that its primary key, or drop it, and the next run makes it"
        )


def _create(cursor: Cursor, store: Postgres, columns: Mapping[str, str], key: Sequence[str]) -> None:
    from psycopg2 import sql

    listed = [sql.SQL("{} " + kind).format(sql.Identifier(name)) for name, kind in columns.items()]
    primary = sql.SQL("PRIMARY KEY ({})").format(names(key))
    cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(name_of(store), sql.SQL(", ").join([*listed, primary])))


def _add(cursor: Cursor, store: Postgres, columns: Mapping[str, str]) -> None:
    from psycopg2 import sql

    for name, kind in columns.items():
        cursor.execute(sql.SQL("ALTER TABLE {} ADD COLUMN {} " + kind).format(name_of(store), sql.Identifier(name)))


def names(columns: Sequence[str], of: str = "") -> Composable:
    """Columns as SQL lists them, of a table by its alias."""
    from psycopg2 import sql

    prefix = [of] if of else []
    return sql.SQL(", ").join(sql.Identifier(*prefix, name) for name in columns)
