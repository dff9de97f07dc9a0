"""A database of a test's own, asked by a client of the test's own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2

from lakehouse_assets_tests.engine.sinks.board import SCHEMA, Row


@dataclass(frozen=True)
class Database:
    """A database, by its URL."""

    url: str

    def ask(self, query: str, *values: Any) -> list[Row]:
        with closing(psycopg2.connect(self.url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def rows(self, columns: Sequence[str] = SCHEMA.names, table: str = "board") -> list[Row]:
        return sorted(self.ask(f"SELECT {', '.join(columns)} FROM {table}"))

    @property
    def version(self) -> int:
        return int(self.ask("SELECT version FROM lakehouse_sinks")[0][0])
