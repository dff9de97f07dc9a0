"""A table of PostgreSQL has the rows of its Delta table, exactly once by key, whatever ends in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest

from lakehouse_assets.engine.run.report import Report
from lakehouse_assets_tests.engine.sinks.board import Board, Row, departures
from lakehouse_assets_tests.servers import postgres

SINK = 'sink("gold.board", to=postgres("board"))'


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    with postgres.running() as it:
        yield it


@dataclass(frozen=True)
class Database:
    """A database of one's own, asked by a client of the test's own."""

    url: str

    def ask(self, query: str, *values: Any) -> list[Row]:
        with closing(psycopg2.connect(self.url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def rows(self, columns: Sequence[str] = ("origin", "flight", "gate", "delay"), table: str = "board") -> list[Row]:
        return sorted(self.ask(f"SELECT {', '.join(columns)} FROM {table}"))

    @property
    def version(self) -> int:
        return int(self.ask("SELECT version FROM lakehouse_sinks")[0][0])


@pytest.fixture
def database(server: postgres.Postgres, board: Board, monkeypatch: pytest.MonkeyPatch) -> Database:
    name = board.project.root.name.replace("[", "_").replace("]", "")
    url = server.database(name[:50])
    monkeypatch.setenv("LAKEHOUSE_POSTGRES", url)
    board.project.sink("live_board", SINK)
    return Database(url)


def brought(board: Board, full: bool = False) -> tuple[str, int, int]:
    """Run the sink: by which strategy, how many rows it put there, and how many it took out."""
    told = run(board, full)
    assert told.sink is not None
    return told.strategy, told.sink.upserted, told.sink.deleted


def run(board: Board, full: bool = False) -> Report:
    return board.project.materialize("sinks.live_board", full)


def test_rows_that_come_change_and_go_do_so_in_the_store(board: Board, database: Database) -> None:
    board.make(departures(30))
    assert brought(board) == ("full", 30, 0)
    assert database.rows() == board.rows()
    board.add([("ORD", 900, None, 5)])
    board.put([("JFK", 0, "C1", 45), ("SEA", 901, "tab\tand\\n\nline", None)])
    board.remove("origin = 'LGA'")
    assert brought(board) == ("upsert", 3, 10)
    assert database.rows() == board.rows()
    assert len(database.rows()) == 22
    assert database.version == board.table.version()
    assert brought(board) == ("nothing", 0, 0)
