"""Runs that are killed, late, or two at once: a container of Cosmos DB has what one run would leave."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse_assets.engine.run.materialize import materialize
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.sinks.cosmos import bring as bringing
from lakehouse_assets.engine.sinks.cosmos import progress
from lakehouse_assets.engine.sinks.cosmos.progress import Turn
from lakehouse_assets.engine.sinks.cosmos.writer import Writer
from lakehouse_assets_tests.crash import assert_at_once, run_and_die
from lakehouse_assets_tests.engine.sinks.board import Board, departures
from lakehouse_assets_tests.engine.sinks.cosmos.container import Container, brought, run

# Its client checks no certificate on the loopback address, and its library warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
STEPS = "lakehouse_assets.engine.sinks.cosmos"


@pytest.mark.parametrize("where", [
    f"after {STEPS}.bring:take", f"after {STEPS}.progress:Turn.begin", f"after {STEPS}.writer:Writer._put",
    f"after {STEPS}.writer:Writer.write", f"after {STEPS}.progress:Turn.record",
])  # fmt: skip
def test_a_run_that_is_killed_is_made_up_by_the_next(board: Board, container: Container, where: str) -> None:
    board.make(departures(30))
    brought(board)
    board.put([("JFK", 0, "C1", 45), ("SEA", 901, "A1", 0)])
    board.remove("origin = 'LGA'")
    assert run_and_die(board.project, "sinks.live_board", where, "materialize") == -signal.SIGKILL
    board.put([("JFK", 0, "C2", 46)])
    assert brought(board)[0] == "upsert"
    assert container.rows() == board.rows()
    assert container.version == board.table.version()
    assert brought(board) == ("nothing", 0, 0)


def test_a_first_run_that_is_killed_is_made_up_by_the_next(
    board: Board, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = list[float]()
    monkeypatch.setattr(bringing, "time", SimpleNamespace(sleep=waited.append))
    board.make(departures(300))
    where = f"after {STEPS}.writer:Writer._there"
    assert run_and_die(board.project, "sinks.live_board", where, "materialize") == -signal.SIGKILL
    board.remove("origin = 'LGA'")
    assert brought(board)[0] == "full"
    assert waited == [bringing.QUIET_SECONDS]
    assert container.rows() == board.rows()


def test_what_a_killed_run_wrote_of_other_columns_is_mended(
    board: Board, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "QUIET_SECONDS", 0)
    to = f'to=cosmos("{container.database}", "board", partition="/origin")'
    board.make(departures(30))
    brought(board)
    board.project.sink("live_board", f'sink("gold.board", {to}, columns=["origin", "flight", "gate"])')
    where = f"after {STEPS}.writer:Writer.write"
    assert run_and_die(board.project, "sinks.live_board", where, "materialize") == -signal.SIGKILL
    assert not any("delay" in item for item in container.items())
    board.project.sink("live_board", f'sink("gold.board", {to})')
    assert brought(board)[0] == "full"
    assert container.rows() == board.rows()


def test_two_runs_at_once_leave_what_one_would(board: Board, container: Container) -> None:
    board.make(departures(100))
    brought(board)
    board.put(departures(300, delay=9))
    board.remove("origin = 'LGA'")
    assert_at_once(board.project, "sinks.live_board", "materialize")
    assert container.rows() == board.rows()
    assert container.version == board.table.version()


def test_a_run_that_wakes_late_changes_nothing(
    board: Board, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sleeps as its requests are about to be sent, after its last look at whether it's the newest."""
    board.make([*departures(3), ("LGA", 50, "stays", 0)])
    brought(board)
    board.put([("JFK", 0, "old", 1), ("ORD", 900, "comes and goes", 1), ("LGA", 50, "for a moment", 0)])
    board.remove("flight = 1")
    began, wakes = threading.Event(), threading.Event()
    confirm: Callable[[Turn], None] = Turn.confirm

    def late(turn: Turn) -> None:
        confirm(turn)
        if turn.number == 2:
            began.set()
            assert wakes.wait(60)

    monkeypatch.setattr(Turn, "confirm", late)
    context, told = board.project.context(), list[Report]()
    request = Request("shop.sinks.live_board")
    sleeper = threading.Thread(target=lambda: told.append(materialize(request, context)))
    sleeper.start()
    assert began.wait(60)
    board.put([("JFK", 0, "new", 2), ("LGA", 50, "stays", 0), ("EWR", 1, "back", 3)])
    board.remove("flight = 900")
    assert brought(board)[0] == "upsert"
    before = container.items("SELECT * FROM c")
    wakes.set()
    sleeper.join()
    assert told[0].strategy == "nothing"
    assert container.items("SELECT * FROM c") == before
    assert container.rows() == board.rows()


def test_a_first_run_that_is_shut_out_leaves_it_to_the_other(
    board: Board, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "QUIET_SECONDS", 0)
    monkeypatch.setattr(progress, "FRESH_SECONDS", 0.0)
    write: Callable[..., None] = Writer.write

    def interrupted(writer: Writer, rows: Any) -> None:
        if writer.turn.number == 1:
            board.remove("origin = 'LGA'")
            assert brought(board) == ("full", 20, 0)
        write(writer, rows)

    monkeypatch.setattr(Writer, "write", interrupted)
    board.make(departures(30))
    assert run(board).strategy == "nothing"
    assert container.rows() == board.rows()


def test_a_run_that_was_shut_out_puts_nothing_back_once_that_is_forgotten(
    board: Board, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.make(departures(3))
    brought(board)
    monkeypatch.setattr(progress, "FRESH_SECONDS", 0.0)
    write: Callable[..., None] = Writer.write

    def interrupted(writer: Writer, rows: Any) -> None:
        if writer.turn.number == 2:
            board.remove("flight = 900")
            assert brought(board)[0] == "upsert"
            with container.opened() as there:
                there.delete_item('["ORD",900]', "ORD")  # as its time to live has it
        write(writer, rows)

    monkeypatch.setattr(Writer, "write", interrupted)
    board.put([("ORD", 900, "A1", 2)])
    assert run(board).strategy == "nothing"
    assert container.rows() == board.rows()
