"""Rows on their way: copied into a temporary table, the last image of each key found, and put into the target."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import SinkError
from lakehouse_assets.engine.sinks.feed import AFTER, CHANGE, VERSION
from lakehouse_assets.engine.sinks.postgres.target import name_of, names
from lakehouse_assets.engine.sinks.values import NULL, copied
from lakehouse_assets.engine.spec.sinks.sink import Postgres

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg2.extensions import cursor as Cursor

_STAGED, _LAST = "lakehouse_staged", "lakehouse_last"
# Which version a row is of, and whether it's the image after a change.
_OF, _IS = "_lakehouse_version", "_lakehouse_after"
# Of one COPY, whichever is less.
ROWS, BYTES = 10_000, 8_000_000


def stage(
    cursor: Cursor, store: Postgres, columns: Mapping[str, str], batches: Iterator[pa.RecordBatch], version: int
) -> None:
    """Copy rows into a temporary table; those without a version of their own are of this one."""
    from psycopg2 import sql

    cursor.execute(
        sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {}, 0::bigint AS {}, true AS {} FROM {} WITH NO DATA")
        .format(*map(sql.Identifier, [_STAGED]), names([*columns]), *map(sql.Identifier, (_OF, _IS)), name_of(store))
    )  # fmt: skip
    into = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(_STAGED)).as_string(cursor)
    for batch in batches:
        rows = max(1, min(ROWS, batch.num_rows * BYTES // max(batch.nbytes, 1)))
        for start in range(0, batch.num_rows, rows):
            lines = _lines(batch.slice(start, rows), columns, version)
            cursor.copy_expert(into, io.StringIO(lines))


def _lines(batch: pa.RecordBatch, columns: Mapping[str, str], version: int) -> str:
    """Rows as COPY reads them, a line each."""
    told = [_texts(batch, name, kind) for name, kind in columns.items()]
    own = set(batch.schema.names)
    of = batch.column(VERSION).to_pylist() if VERSION in own else [version] * batch.num_rows
    after = [kind in AFTER for kind in batch.column(CHANGE).to_pylist()] if CHANGE in own else [True] * batch.num_rows
    told += [list(map(str, of)), ["t" if it else "f" for it in after]]
    return "".join("\t".join(row) + "\n" for row in zip(*told, strict=True))


def _texts(batch: pa.RecordBatch, name: str, kind: str) -> list[str]:
    write = copied(kind)
    try:
        return [NULL if value is None else write(value) for value in batch.column(name).to_pylist()]
    except (ArithmeticError, TypeError, ValueError) as error:
        raise SinkError(
            f"Bringing rows to a store: a value of the column {name!r} ({kind}) can't be told to it ({error}); leave "
            "the column out by columns=[…], or mend the value in the table"
        ) from error


def reduce(cursor: Cursor, key: Sequence[str]) -> None:
    """Find the last image of each key.

    Raises:
        SinkError: two rows of one version have one key.
    """
    from psycopg2 import sql

    at = {"staged": sql.Identifier(_STAGED), "last": sql.Identifier(_LAST), "key": names(key),
          "of": sql.Identifier(_OF), "is_": sql.Identifier(_IS)}  # fmt: skip
    twice = sql.SQL("SELECT {key} FROM {staged} WHERE {is_} GROUP BY {key}, {of} HAVING count(*) > 1 LIMIT 1")
    cursor.execute(twice.format(**at))
    for row in cursor.fetchall():
        told = ", ".join(f"{name} {value!r}" for name, value in zip(key, row, strict=True))
        raise SinkError(
            f"Bringing rows to a store: the table has several with the key {told}; a key is of one row, so mend that"
        )
    last = "CREATE TEMP TABLE {last} ON COMMIT DROP AS SELECT DISTINCT ON ({key}) * FROM {staged} "
    cursor.execute(sql.SQL(last + "ORDER BY {key}, {of} DESC, {is_} DESC").format(**at))
    cursor.execute(sql.SQL("ANALYZE {last}").format(**at))


def delete(cursor: Cursor, store: Postgres, key: Sequence[str], *, others: bool) -> int:
    """Take out the rows whose key has gone, or those whose key isn't among the `others`; how many."""
    from psycopg2 import sql

    same = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier("t", name), sql.Identifier("l", name)) for name in key
    )
    gone = "NOT EXISTS (SELECT FROM {last} AS l WHERE {same})"
    went = "EXISTS (SELECT FROM {last} AS l WHERE {same} AND NOT l.{is_})"
    query = sql.SQL("DELETE FROM {target} AS t WHERE " + (gone if others else went))
    at = {"last": sql.Identifier(_LAST), "is_": sql.Identifier(_IS), "same": same, "target": name_of(store)}
    cursor.execute(query.format(**at))
    return int(cursor.rowcount)


def upsert(cursor: Cursor, store: Postgres, columns: Sequence[str], key: Sequence[str]) -> int:
    """Put in the rows that came or changed; how many are others than before."""
    from psycopg2 import sql

    rest = [name for name in columns if name not in key]
    sets = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in rest)
    change = "DO UPDATE SET {sets} WHERE ({mine}) IS DISTINCT FROM ({theirs})" if rest else "DO NOTHING"
    query = sql.SQL(
        "INSERT INTO {target} AS t ({all}) SELECT {all} FROM {last} WHERE {is_} ON CONFLICT ({key}) " + change
    )
    at = {"target": name_of(store), "all": names(columns), "last": sql.Identifier(_LAST), "is_": sql.Identifier(_IS),
          "key": names(key), "sets": sets, "mine": names(rest, "t"), "theirs": names(rest, "excluded")}  # fmt: skip
    cursor.execute(query.format(**at))
    return int(cursor.rowcount)


def forget(cursor: Cursor) -> None:
    """Leave out what was staged."""
    from psycopg2 import sql

    cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("pg_temp", _STAGED)))
