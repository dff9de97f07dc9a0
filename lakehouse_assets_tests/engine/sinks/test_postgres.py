"""A table of PostgreSQL has the rows of its Delta table, exactly once by key, whatever ends in between."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lakehouse_assets.engine.errors import SettingsError, SinkError
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.sinks.postgres import progress
from lakehouse_assets_tests.crash import assert_at_once, run_and_die
from lakehouse_assets_tests.engine.sinks.board import Board, as_arrow, departures
from lakehouse_assets_tests.engine.sinks.database import Database

STEPS = "lakehouse_assets.engine.sinks.postgres"


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
    board.add([("ORD", 900, "A1", 5)])
    board.put([("JFK", 0, "C1", 45), ("SEA", 901, "tab\tand\\n\nline\r\\.", 7)])
    board.remove("origin = 'LGA'")
    assert brought(board) == ("upsert", 3, 10)
    assert database.rows() == board.rows()
    assert len(database.rows()) == 22
    assert database.version == board.table.version()
    assert brought(board) == ("nothing", 0, 0)


def test_the_last_of_many_changes_of_a_key_counts(board: Board, database: Database) -> None:
    board.make(departures(3))
    brought(board)
    for delay in range(5):
        board.put([("JFK", 0, "B1", delay)])
    board.remove("flight = 1")
    board.put([("EWR", 1, "back", 1)])
    board.remove("flight = 2")
    assert brought(board) == ("upsert", 2, 1)
    assert database.rows() == [("EWR", 1, "back", 1), ("JFK", 0, "B1", 4)] == board.rows()


def test_a_row_whose_key_changes_is_found_under_the_new_one_alone(board: Board, database: Database) -> None:
    board.make(departures(3))
    brought(board)
    board.table.update(updates={"flight": "flight + 100"}, predicate="origin = 'JFK'")
    assert brought(board) == ("upsert", 1, 1)
    assert database.rows() == board.rows()
    assert ("JFK", 100, "B0", 0) in database.rows()


def test_a_merge_that_changes_no_row_is_no_news(board: Board, database: Database) -> None:
    board.make(departures(30))
    board.add([("ORD", 900, "A1", 5)])
    brought(board)
    merge = board.table.merge(as_arrow(board.rows()), "t.flight = s.flight", source_alias="s", target_alias="t")
    assert merge.when_matched_update_all("s.gate <> t.gate").execute()["num_target_rows_updated"] == 0
    board.table.optimize.compact()
    assert board.table.version() > 1
    told = run(board)
    assert (told.strategy, told.reason) == ("nothing", "no row has changed since version 1")
    assert database.version == board.table.version()


def test_a_table_that_is_written_whole_changes_only_what_is_other(board: Board, database: Database) -> None:
    board.make(departures(30))
    brought(board)
    board.make([*departures(20), ("ORD", 900, "A1", 5)])
    assert brought(board) == ("upsert", 1, 10)
    assert database.rows() == board.rows()


@pytest.mark.parametrize("where", [
    f"after {STEPS}.bring:stage", f"after {STEPS}.bring:delete", f"after {STEPS}.bring:upsert",
    f"before {STEPS}.progress:record", f"after {STEPS}.progress:record",
    "after lakehouse_assets.engine.run.sinks.bring:bring",
])  # fmt: skip
def test_a_run_that_is_killed_is_made_up_by_the_next(board: Board, database: Database, where: str) -> None:
    board.make(departures(30))
    brought(board)
    before = database.rows()
    board.put([("JFK", 0, "C1", 45), ("SEA", 901, "A1", 0)])
    board.remove("origin = 'LGA'")
    assert run_and_die(board.project, "sinks.live_board", where, "materialize") == -signal.SIGKILL
    assert database.rows() == (board.rows() if where.endswith("bring:bring") else before)
    brought(board)
    assert database.rows() == board.rows()
    assert database.version == board.table.version()


def test_two_runs_at_once_leave_what_one_would(board: Board, database: Database) -> None:
    board.make(departures(2000))
    assert_at_once(board.project, "sinks.live_board", "materialize")
    board.put(departures(1000, delay=9))
    assert_at_once(board.project, "sinks.live_board", "materialize")
    assert database.rows() == board.rows()
    assert database.version == board.table.version()


def test_a_run_that_wakes_late_puts_no_older_value_over_a_newer_one(
    board: Board, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.make(departures(3))
    brought(board)
    board.put([("JFK", 0, "old", 1)])
    began, wakes = threading.Event(), threading.Event()
    lock: Callable[[Any, str], None] = progress.lock

    def late(cursor: Any, what: str) -> None:
        if threading.current_thread() is sleeper:
            began.set()
            assert wakes.wait(60)
        lock(cursor, what)

    monkeypatch.setattr(progress, "lock", late)
    context, told = board.project.context(), list[Report]()
    sleeper = threading.Thread(target=lambda: told.append(_materialize(context)))
    sleeper.start()
    assert began.wait(60)
    board.put([("JFK", 0, "new", 2)])
    assert brought(board) == ("upsert", 1, 0)
    wakes.set()
    sleeper.join()
    assert told[0].strategy == "nothing"
    assert ("JFK", 0, "new", 2) in database.rows()
    assert database.rows() == board.rows()


def _materialize(context: Any) -> Report:
    from lakehouse_assets.engine.run.materialize import materialize
    from lakehouse_assets.engine.run.request import Request

    return materialize(Request("shop.sinks.live_board"), context)


def test_a_store_that_is_down_loses_nothing(board: Board, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    board.make(departures(3))
    brought(board)
    name = database.url.rpartition("/")[2]
    elsewhere = Database(database.url.replace(name, "postgres"))
    board.put([("JFK", 0, "C1", 45)])
    elsewhere.ask(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    with pytest.raises(SinkError, match=r"'board' in PostgreSQL: .*not currently accepting.*LAKEHOUSE_POSTGRES.*lost"):
        run(board)
    board.put([("JFK", 0, "C2", 46)])
    elsewhere.ask(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert brought(board) == ("upsert", 1, 0)
    assert database.rows() == board.rows()


@pytest.mark.parametrize(("change", "told"), [
    (lambda url: url.replace("5432", "1"), "Connection refused"),
    (lambda url: url.replace(":", ":wrong", 2).replace("wrong//", "//"), "password authentication failed"),
    (lambda url: f"{url}-not", "does not exist"),
])  # fmt: skip
def test_a_store_that_cannot_be_reached_is_named_without_its_password(
    board: Board, database: Database, monkeypatch: pytest.MonkeyPatch, change: Callable[[str], str], told: str
) -> None:
    board.make(departures(3))
    monkeypatch.setenv("LAKEHOUSE_POSTGRES", change(database.url))
    with pytest.raises(SinkError, match=told) as caught:
        run(board)
    password = database.url.split(":")[2].partition("@")[0]
    assert password not in f"{caught.value} {caught.value.__cause__}"
    assert "LAKEHOUSE_POSTGRES" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["mysql://a:secret@b/c", "postgresql://a:secret@b:port/c", "secret", "postgresql://a:s%zz@h/d"]
)
def test_a_variable_that_is_no_url_is_refused_and_not_shown(
    board: Board, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    board.make(departures(1))
    board.project.sink("live_board", 'sink("gold.board", to=postgres("board", connection="app"))')
    monkeypatch.setenv("LAKEHOUSE_POSTGRES_APP", url)
    with pytest.raises((SettingsError, SinkError), match="LAKEHOUSE_POSTGRES_APP") as caught:
        run(board)
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"


def test_a_sink_waits_while_nobody_says_where_its_store_is(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    board.make(departures(3))
    monkeypatch.delenv("LAKEHOUSE_POSTGRES_APP", raising=False)
    board.project.sink("live_board", 'sink("gold.board", to=postgres("board", connection="app"))')
    told = run(board)
    assert (told.strategy, told.reason) == ("nothing", "LAKEHOUSE_POSTGRES_APP isn't set, so nothing is written")
    assert told.sink is not None
    assert told.sink.version is None


def test_a_sink_waits_for_its_table(board: Board, database: Database) -> None:
    assert run(board).reason == "shop.gold.board not built yet"
    board.make(departures(3))
    assert brought(board) == ("full", 3, 0)


def _feed_lost(board: Board) -> None:
    shutil.rmtree(Path(board.path) / "_change_data")


def _log_cleaned(board: Board) -> None:
    board.table.create_checkpoint()
    for number in range(board.table.version()):
        (Path(board.path) / "_delta_log" / f"{number:020}.json").unlink()


def _made_anew(board: Board) -> None:
    rows = board.rows()
    shutil.rmtree(board.path)
    board.make([tuple(row) for row in rows])


def _restored(board: Board) -> None:
    board.table.restore(0)
    board.put([("JFK", 0, "after", 2)])


@pytest.mark.parametrize(("happens", "why"), [
    (_feed_lost, "the changes of versions 1 to 2 can't be read"),
    (_log_cleaned, "the table's log no longer goes back to version 0"),
    (_made_anew, "the table was made anew"),
    (_restored, "version 3 put the table back to an earlier one"),
])  # fmt: skip
def test_where_the_changes_cannot_be_read_all_rows_are_compared(
    board: Board, database: Database, happens: Callable[[Board], None], why: str
) -> None:
    board.make(departures(30))
    brought(board)
    board.put([("JFK", 0, "C1", 45), ("SEA", 901, "A1", 0)])
    board.remove("origin = 'LGA'")
    happens(board)
    told = run(board)
    assert told.strategy == "full"
    assert told.reason.startswith(why)
    assert database.rows() == board.rows()
    assert brought(board) == ("nothing", 0, 0)


def test_what_a_person_changed_in_the_store_is_mended_by_a_full_sync(board: Board, database: Database) -> None:
    board.make(departures(30))
    brought(board)
    database.ask("UPDATE board SET gate = 'mine' WHERE flight < 2")
    database.ask("DELETE FROM board WHERE flight = 5")
    database.ask("INSERT INTO board VALUES ('XXX', 1, 'mine', 1)")
    assert brought(board) == ("nothing", 0, 0)
    assert brought(board, full=True) == ("full", 3, 1)
    assert database.rows() == board.rows()


def test_a_target_that_was_dropped_is_made_again(board: Board, database: Database) -> None:
    board.make(departures(30))
    brought(board)
    database.ask("DROP TABLE board")
    board.put([("JFK", 0, "C1", 45)])
    assert brought(board) == ("full", 30, 0)
    assert database.rows() == board.rows()


def test_another_column_is_added_and_filled_and_those_of_others_are_left(board: Board, database: Database) -> None:
    board.project.sink("live_board", 'sink("gold.board", to=postgres("board"), columns=["origin", "flight", "gate"])')
    board.make(departures(30))
    brought(board)
    database.ask("ALTER TABLE board ADD COLUMN note text DEFAULT 'own'")
    board.project.sink("live_board", 'sink("gold.board", to=postgres("board"))')
    told = run(board)
    assert (told.strategy, told.reason) == ("full", "the store's table lacked delay")
    assert database.rows() == board.rows()
    assert database.ask("SELECT DISTINCT note FROM board") == [("own",)]


@pytest.mark.parametrize(("made", "why"), [
    ("origin text, flight int, gate int, delay int, PRIMARY KEY (origin, flight)",
     r"column 'gate' is integer, and the table's is string, which takes text"),
    ("origin text PRIMARY KEY, flight int, gate text, delay int",
     r"primary key is \(origin\), and the key of the rows is \(origin, flight\)"),
    ("origin text, flight smallint, gate text, delay int, PRIMARY KEY (origin, flight)", "'flight' is smallint"),
])  # fmt: skip
def test_a_target_that_does_not_fit_is_refused(board: Board, database: Database, made: str, why: str) -> None:
    database.ask(f"CREATE TABLE board ({made})")
    board.make(departures(3))
    with pytest.raises(SinkError, match=why):
        run(board)
    assert database.rows() == []


def test_a_target_with_wider_types_takes_the_rows(board: Board, database: Database) -> None:
    made = "origin varchar, flight bigint, gate text, delay numeric, PRIMARY KEY (flight, origin)"
    database.ask(f"CREATE TABLE board ({made})")
    board.make(departures(3))
    brought(board)
    assert database.rows() == board.rows()


@pytest.mark.parametrize("at_once", [True, False])
def test_two_rows_of_one_key_are_refused(board: Board, database: Database, at_once: bool) -> None:
    board.make(departures(3))
    brought(board)
    twice = [("JFK", 9, "a", 1), ("JFK", 9, "b", 2)]
    board.make(twice) if at_once else board.add(twice)
    with pytest.raises(SinkError, match="several with the key origin 'JFK', flight 9"):
        run(board, full=at_once)
    assert len(database.rows()) == 3


def test_a_value_that_the_store_refuses_is_told_of_and_nothing_is_written(board: Board, database: Database) -> None:
    board.make([*departures(3), ("JFK", 9, "nul\0", 1)])
    with pytest.raises(SinkError, match="invalid byte sequence"):
        run(board)
    assert database.ask("SELECT to_regclass('board')") == [(None,)]


def test_many_rows_go_in_some_at_a_time(board: Board, database: Database) -> None:
    board.make(departures(50_000))
    assert brought(board) == ("full", 50_000, 0)
    board.make(departures(50_000, delay=1))
    assert brought(board) == ("upsert", 50_000, 0)
    assert database.ask("SELECT count(*), sum(delay), sum(flight) FROM board") == [(50_000, 50_000, 1_249_975_000)]
