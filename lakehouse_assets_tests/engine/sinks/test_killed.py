"""Runs that are killed at any moment: a store always has the rows of the version that it says it has.

`make soak` does the same more often (`SOAK_ROUNDS`).
"""

from __future__ import annotations

import os
from itertools import count
from random import Random

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from lakehouse_assets_tests.crash import run_and_kill
from lakehouse_assets_tests.engine.sinks.board import Board, Row, departures
from lakehouse_assets_tests.engine.sinks.cosmos.container import Container
from lakehouse_assets_tests.engine.sinks.database import Database
from lakehouse_assets_tests.engine.sinks.reader import Reader

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "3"))
# By when a run has ended, mostly, on a machine that is busy.
LONGEST_SECONDS = 1.0


@pytest.mark.parametrize("kind", ["database", "reader"])
def test_a_store_has_the_version_that_it_says(board: Board, kind: str, request: pytest.FixtureRequest) -> None:
    store: Database | Reader = request.getfixturevalue(kind)
    random, numbers = Random(ROUNDS), count(1)
    board.make(departures(300))
    board.project.materialize("sinks.live_board")
    for _ in range(ROUNDS):
        for _ in range(random.randint(1, 3)):
            _change(board, random, next(numbers))
        run_and_kill(board.project, "sinks.live_board", random.uniform(0, LONGEST_SECONDS), "materialize")
        assert store.rows() == _rows_at(board, store.version)
    board.project.materialize("sinks.live_board")
    assert store.version == board.table.version()
    assert store.rows() == board.rows()


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_container_has_all_rows_once_a_run_ends(board: Board, container: Container) -> None:
    random, numbers = Random(ROUNDS), count(1)
    board.make(departures(300))
    board.project.materialize("sinks.live_board")
    for _ in range(ROUNDS):
        for _ in range(2):
            _change(board, random, next(numbers))
            run_and_kill(board.project, "sinks.live_board", random.uniform(0, LONGEST_SECONDS), "materialize")
        assert board.project.materialize("sinks.live_board").strategy != "full"
        assert container.rows() == board.rows()
        assert container.version == board.table.version()


def _change(board: Board, random: Random, number: int) -> None:
    """Some rows come, change, go, or get another key, which no row has had before."""
    match random.randint(0, 3):
        case 0:
            board.add([("ORD", 1000 * number + n, "A1", random.randint(0, 99)) for n in range(50)])
        case 1:
            board.put([row for row in departures(300, random.randint(0, 99)) if random.random() < 0.5])
        case 2:
            board.remove(f"flight % 7 = {random.randint(0, 6)}")
        case _:
            moved = f"flight < 300 AND flight % 11 = {number % 11}"
            board.table.update(updates={"flight": f"flight + {1_000_000 * number}"}, predicate=moved)


def _rows_at(board: Board, version: int) -> list[Row]:
    stored = pa.table(DeltaTable(board.path, version=version).to_pyarrow_table())
    return sorted(tuple(row.values()) for row in stored.to_pylist())
