"""A topic has the rows of its Delta table, each change sent once, whatever ends in between."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lakehouse_assets.engine.errors import SinkError, StreamUnavailable
from lakehouse_assets.engine.run.materialize import materialize
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.sinks.kafka import progress
from lakehouse_assets_tests.crash import assert_at_once, run_and_die
from lakehouse_assets_tests.engine.sinks.board import SCHEMA, Board, departures
from lakehouse_assets_tests.engine.sinks.reader import Reader
from lakehouse_assets_tests.servers import kafka as brokers

STEPS = "lakehouse_assets.engine.sinks.kafka"


def run(board: Board, full: bool = False) -> Report:
    return board.project.materialize("sinks.live_board", full)


def brought(board: Board, full: bool = False) -> tuple[str, int, int]:
    told = run(board, full)
    assert told.sink is not None
    return told.strategy, told.sink.upserted, told.sink.deleted


def test_each_row_that_comes_changes_or_goes_is_a_message(board: Board, reader: Reader) -> None:
    board.make(departures(30))
    assert brought(board) == ("full", 30, 0)
    assert reader.rows() == board.rows()
    board.add([("ORD", 900, None, 5)])
    board.put([("JFK", 0, "C1", 45), ("SEA", 901, "é\n", None)])
    board.remove("origin = 'LGA'")
    assert brought(board) == ("upsert", 3, 10)
    assert brought(board) == ("nothing", 0, 0)
    sent = reader.messages()
    assert len(sent) == 43
    assert sorted(reader.rows(), key=repr) == sorted(map(tuple, board.rows()), key=repr)
    (gone, *_) = [m for m in sent if m.value() is None]
    assert json.loads(gone.key())["origin"] == "LGA"
    (new,) = [m for m in sent if m.key() == b'{"origin":"SEA","flight":901}']
    assert new.value() == '{"origin":"SEA","flight":901,"gate":"é\\n","delay":null}'.encode()
    assert new.headers() == [("version", str(board.table.version()).encode())]


def test_a_topic_that_is_not_there_is_made_and_compacted(board: Board, kafka: brokers.Kafka, reader: Reader) -> None:
    board.project.sink("live_board", f'sink("gold.board", to=kafka_topic("{reader.topic}-new"))')
    board.make(departures(3))
    brought(board)
    assert Reader(kafka, f"{reader.topic}-new").rows() == board.rows()


def test_a_table_that_is_written_whole_sends_only_what_is_other(board: Board, reader: Reader) -> None:
    board.make(departures(30))
    brought(board)
    board.make([*departures(20), ("ORD", 900, "A1", 5)])
    assert brought(board) == ("upsert", 1, 10)
    assert reader.rows() == board.rows()


def test_a_key_that_changes_is_gone_under_the_old_one(board: Board, reader: Reader) -> None:
    board.make(departures(3))
    brought(board)
    board.table.update(updates={"flight": "flight + 100"}, predicate="origin = 'JFK'")
    assert brought(board) == ("upsert", 1, 1)
    assert reader.rows() == board.rows()


@pytest.mark.parametrize("where", [
    f"after {STEPS}.sender:Sender.flush", f"before {STEPS}.sender:_commit", f"after {STEPS}.sender:_commit",
])  # fmt: skip
def test_what_a_killed_run_sent_is_read_by_nobody_or_sent_whole(board: Board, reader: Reader, where: str) -> None:
    board.make(departures(30))
    brought(board)
    board.put([("JFK", 0, "C1", 45), ("SEA", 901, "A1", 0)])
    board.remove("origin = 'LGA'")
    assert run_and_die(board.project, "sinks.live_board", where, "materialize") == -signal.SIGKILL
    brought(board)
    assert len(reader.messages()) == 42
    assert reader.rows() == board.rows()


def test_two_runs_at_once_send_what_one_would(board: Board, reader: Reader) -> None:
    board.make(departures(2000))
    assert_at_once(board.project, "sinks.live_board", "materialize")
    board.put(departures(1000, delay=9))
    assert_at_once(board.project, "sinks.live_board", "materialize")
    assert len(reader.messages()) == 3000
    assert reader.rows() == board.rows()


def test_a_run_that_wakes_late_sends_no_older_value_after_a_newer_one(
    board: Board, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.make(departures(3))
    brought(board)
    board.put([("JFK", 0, "old", 1)])
    began, wakes = threading.Event(), threading.Event()
    found: Callable[[Any], Any] = progress.topic_of

    def late(store: Any) -> Any:
        if threading.current_thread() is sleeper and not wakes.is_set() and began_sending():
            began.set()
            assert wakes.wait(60)
        return found(store)

    looks = iter(range(100))

    def began_sending() -> bool:
        return next(looks) > 0  # the first look is before the transaction

    monkeypatch.setattr(progress, "topic_of", late)
    context, told = board.project.context(), list[Report]()
    request = Request("shop.sinks.live_board")
    sleeper = threading.Thread(target=lambda: told.append(materialize(request, context)))
    sleeper.start()
    assert began.wait(60)
    board.put([("JFK", 0, "new", 2)])
    assert brought(board) == ("upsert", 1, 0)
    wakes.set()
    sleeper.join()
    assert told[0].strategy == "nothing"
    assert len(reader.messages()) == 4
    assert reader.rows() == board.rows()


def test_what_the_topic_lost_or_others_sent_is_mended_by_a_full_sync(board: Board, reader: Reader) -> None:
    board.make(departures(30))
    brought(board)
    reader.broker.send(reader.topic, ["{}"], key=b'{"origin":"XXX","flight":1}')
    assert brought(board) == ("nothing", 0, 0)
    assert brought(board, full=True) == ("full", 0, 1)
    assert reader.rows() == board.rows()


def test_a_topic_that_was_made_anew_gets_all_rows(board: Board, reader: Reader) -> None:
    board.make(departures(30))
    brought(board)
    reader.broker.remove(reader.topic)
    reader.broker.make(reader.topic)
    told = run(board)
    assert (told.strategy, told.reason) == ("full", "the topic was made anew")
    assert reader.rows() == board.rows()


def test_where_the_changes_cannot_be_read_all_rows_are_compared(board: Board, reader: Reader) -> None:
    board.make(departures(30))
    brought(board)
    board.put([("JFK", 0, "C1", 45)])
    board.remove("origin = 'LGA'")
    for changed in (Path(board.path) / "_change_data").rglob("*.parquet"):
        changed.unlink()
    told = run(board)
    assert "can't be read" in told.reason
    assert told.sink is not None
    assert (told.strategy, told.sink.upserted, told.sink.deleted) == ("full", 1, 10)
    assert reader.rows() == board.rows()


def test_without_transactions_progress_comes_after_all_rows(board: Board, reader: Reader) -> None:
    board.project.sink("live_board", f'sink("gold.board", to=kafka_topic("{reader.topic}", transactions=False))')
    board.make(departures(30))
    brought(board)
    board.put([("JFK", 0, "C1", 45)])
    sends = f"before {STEPS}.progress:Marked.text"
    assert run_and_die(board.project, "sinks.live_board", f"after {STEPS}.sender:Sender.flush", "materialize") == -9, (
        sends
    )
    assert brought(board) == ("upsert", 1, 0)
    assert len(reader.messages()) == 32  # that row twice, of one version
    assert reader.rows() == board.rows()
    twice = [m.headers() for m in reader.messages() if m.key() == b'{"origin":"JFK","flight":0}'][1:]
    assert twice[0] == twice[1]


def test_brokers_that_are_down_or_refuse_us_are_named(
    board: Board, reader: Reader, kafka: brokers.Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.make(departures(3))
    monkeypatch.setenv("LAKEHOUSE_KAFKA", "127.0.0.1:1")
    with pytest.raises((SinkError, StreamUnavailable), match=r"127.0.0.1:1.*LAKEHOUSE_KAFKA"):
        run(board)
    told = {"bootstrap.servers": kafka.secured, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
            "sasl.username": brokers.USER, "sasl.password": "wrong-secret"}  # fmt: skip
    monkeypatch.setenv("LAKEHOUSE_KAFKA", json.dumps(told))
    with pytest.raises(StreamUnavailable, match="credentials in LAKEHOUSE_KAFKA aren't taken") as caught:
        run(board)
    assert "wrong-secret" not in str(caught.value)
    monkeypatch.setenv("LAKEHOUSE_KAFKA", json.dumps({**told, "sasl.password": brokers.PASSWORD}))
    assert brought(board) == ("full", 3, 0)
    assert reader.rows() == board.rows()


def test_many_rows_are_sent_in_one_transaction(board: Board, reader: Reader) -> None:
    board.make(departures(50_000))
    assert brought(board) == ("full", 50_000, 0)
    assert len(reader.rows()) == 50_000
    assert SCHEMA.names == [*json.loads(reader.messages()[0].value())]
