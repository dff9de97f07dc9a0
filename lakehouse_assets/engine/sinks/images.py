"""What rows were and are, by key, for stores that can't find that out themselves: on the disk, so any number of them.

A row that is written again as it was is no change. So a table that is computed whole each time sends what is other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import SinkError
from lakehouse_assets.engine.sinks.feed import AFTER, CHANGE, VERSION
from lakehouse_assets.engine.sinks.values import json_text

if TYPE_CHECKING:
    import pyarrow as pa

# What a row was before all versions of a table.
_BEFORE_ALL = -1
_TABLES = """
CREATE TABLE images (key TEXT, version INTEGER, after INTEGER, value TEXT);
CREATE TABLE there (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
_LAST = """
SELECT key, CASE WHEN after THEN value END FROM (
  SELECT key, after, value, row_number() OVER last AS nth,
         first_value(after) OVER first AS is_new, first_value(value) OVER first AS was
  FROM images WINDOW last AS (PARTITION BY key ORDER BY version DESC, after DESC),
                     first AS (PARTITION BY key ORDER BY version, after))
WHERE nth = 1 AND (:every OR CASE WHEN is_new THEN after ELSE NOT after OR value <> was END)
"""
Named = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True)
class Images:
    """Images of rows: a key and a row as JSON, of a version, before or after a change.

    `key_text` and `row_text` write them as the store has them.
    """

    store: sqlite3.Connection
    key_text: Named = json_text
    row_text: Named = json_text

    def add(self, batches: Iterable[pa.RecordBatch], key: Sequence[str], columns: Sequence[str], version: int) -> None:
        """Take rows in; those without a version of their own are of this one, and after it."""
        for batch in batches:
            rows = self._rows(batch, key, columns, version)
            self.store.executemany("INSERT INTO images VALUES (?, ?, ?, ?)", rows)

    def found(self, messages: Iterable[tuple[str, str | None]]) -> None:
        """Take in what the store has, oldest first: a key, and its row or that it's gone."""
        put, out = "INSERT OR REPLACE INTO there VALUES (?, ?)", "DELETE FROM there WHERE key = ?"
        for key, value in messages:
            self.store.execute(out, (key,)) if value is None else self.store.execute(put, (key, value))

    def forget(self) -> None:
        """Leave out all that was taken in."""
        self.store.execute("DELETE FROM images")

    def changed(self, every: bool = False) -> Iterator[tuple[str, str | None]]:
        """Of each row that is another than before, or of `every` one: its key, and the row or None where it's gone.

        Raises:
            SinkError: two rows of one version have one key.
        """
        self.store.execute("INSERT INTO images SELECT key, ?, 0, value FROM there", (_BEFORE_ALL,))
        twice = "SELECT key FROM images WHERE after GROUP BY key, version HAVING count(*) > 1 LIMIT 1"
        for (key,) in self.store.execute(twice):
            raise SinkError(
                f"Bringing rows to a store: the table has several with the key {key}; a key is of one row, so mend that"
            )
        yield from self.store.execute(_LAST, {"every": every})

    def _rows(
        self, batch: pa.RecordBatch, key: Sequence[str], columns: Sequence[str], version: int
    ) -> Iterator[tuple[str, int, bool, str]]:
        try:
            for row in batch.to_pylist():
                told = {name: row[name] for name in columns}
                of, after = row.get(VERSION, version), CHANGE not in row or row[CHANGE] in AFTER
                yield self.key_text({name: row[name] for name in key}), of, after, self.row_text(told)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise SinkError(
                f"Bringing rows to a store: a value can't be told to it ({error}); leave its column out by "
                "columns=[…], or mend it in the table"
            ) from error


@contextmanager
def images(key_text: Named = json_text, row_text: Named = json_text) -> Iterator[Images]:
    """Room for images, which is gone at the end of the block."""
    with closing(sqlite3.connect("", isolation_level=None)) as store:  # a file of its own that SQLite deletes
        store.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_TABLES}")
        yield Images(store, key_text, row_text)
