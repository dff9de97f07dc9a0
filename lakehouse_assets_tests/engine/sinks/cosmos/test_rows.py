"""A container of Cosmos DB has the rows of its Delta table, each by its key, whatever ends in between."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessTokenInfo
from azure.identity import DefaultAzureCredential

from lakehouse_assets.engine.errors import SettingsError, SinkError
from lakehouse_assets.engine.sinks.cosmos import items
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.engine.sinks.board import Board, departures
from lakehouse_assets_tests.engine.sinks.cosmos.container import Container, brought, run
from lakehouse_assets_tests.servers import cosmos

# Its client checks no certificate on the loopback address, and its library warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


def test_rows_that_come_change_and_go_do_so_in_the_store(board: Board, container: Container) -> None:
    board.make(departures(30))
    assert brought(board) == ("full", 30, 0)
    assert container.rows() == board.rows()
    board.add([("ORD", 900, "A1", 5)])
    board.put([("JFK", 0, "C1", 45), ("SEA", 901, "é\t\n\"'", 7)])
    board.remove("origin = 'LGA'")
    assert brought(board) == ("upsert", 3, 10)
    assert container.rows() == board.rows()
    assert container.version == board.table.version()
    assert brought(board) == ("nothing", 0, 0)
    (item,) = container.items("SELECT * FROM c WHERE c.id = '[\"JFK\",0]'")
    assert (item["gate"], item["_v"], item["_table"]) == ("C1", board.table.version(), board.table.metadata().id)


def test_what_went_is_told_of_for_a_day(board: Board, container: Container) -> None:
    board.make(departures(3))
    brought(board)
    board.remove("flight = 1")
    brought(board)
    (item,) = container.items("SELECT c.id, c.origin, c.ttl, c._v FROM c WHERE c._deleted")
    assert item == {"id": '["EWR",1]', "origin": "EWR", "ttl": 86_400, "_v": 1}
    board.put([("EWR", 1, "back", 1)])
    brought(board)
    assert container.items("SELECT * FROM c WHERE c._deleted") == []
    assert container.rows() == board.rows()


def test_a_row_whose_key_changes_is_found_under_the_new_one_alone(board: Board, container: Container) -> None:
    board.make(departures(3))
    brought(board)
    board.table.update(updates={"flight": "flight + 100", "origin": "'ORD'"}, predicate="origin = 'JFK'")
    assert brought(board) == ("upsert", 1, 1)
    assert container.rows() == board.rows()


def test_a_table_that_is_written_whole_changes_only_what_is_other(board: Board, container: Container) -> None:
    board.make(departures(30))
    brought(board)
    board.make([*departures(20), ("ORD", 900, "A1", 5)])
    assert brought(board) == ("upsert", 1, 10)
    assert container.rows() == board.rows()
    assert container.items("SELECT VALUE COUNT(1) FROM c WHERE c._run = 2") == [11]


def test_a_store_that_is_down_loses_nothing(
    board: Board, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cosmos.running(tmp_path) as account:
        monkeypatch.setenv("LAKEHOUSE_COSMOS", account.connection_string)
        board.make(departures(3))
        brought(board)
        port = account.port
    board.put([("JFK", 0, "C1", 45)])
    with pytest.raises(SinkError, match=r"/board' in Cosmos DB: .*refused.*LAKEHOUSE_COSMOS. Nothing is lost"):
        run(board)
    with cosmos.running(tmp_path, port) as account:
        assert brought(board)[0] == "full"  # it keeps all in memory
        assert Container(account, container.database).rows() == board.rows()


@pytest.mark.parametrize(("status", "path", "why"), [
    (401, "", "the account doesn't take the key"),
    (403, "", "the account doesn't allow that"),
    (413, "/colls/board/docs/%5B", r"the item .*JFK.*: it's larger than the 2 MB"),
])  # fmt: skip
def test_a_refusal_is_told_of_without_the_key(
    board: Board, container: Container, status: int, path: str, why: str
) -> None:
    board.make(departures(3))
    brought(board)
    board.put([("JFK", 0, "C1", 45)])
    container.account.fail(status, 1000, path)
    try:
        with pytest.raises(SinkError, match=why) as caught:
            run(board)
    finally:
        container.account.fail(0, 0)
    assert cosmos.KEY not in f"{caught.value} {caught.value.__cause__}"
    assert "LAKEHOUSE_COSMOS" in str(caught.value)
    brought(board)
    assert container.rows() == board.rows()


def test_an_account_that_is_throttled_is_asked_again(board: Board, container: Container) -> None:
    board.make(departures(30))
    brought(board)
    board.put(departures(30, delay=1))
    container.account.fail(429, 20, "/colls/board/docs/%5B")
    assert brought(board) == ("upsert", 30, 0)
    assert container.rows() == board.rows()


@pytest.mark.parametrize("told", [
    "secret", "AccountEndpoint=https://a/;", "AccountEndpoint=https://a/;AccountKey=secret!;", "http://secret@a/",
])  # fmt: skip
def test_a_variable_that_leads_nowhere_is_refused_and_not_shown(
    board: Board, container: Container, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    board.make(departures(1))
    monkeypatch.setenv("LAKEHOUSE_COSMOS", told)
    with pytest.raises(SettingsError, match="LAKEHOUSE_COSMOS is neither") as caught:
        run(board)
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"


def test_without_a_key_entra_id_says_who_we_are(
    board: Board, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.make(departures(3))
    asked = list[str]()

    def token(_credential: Any, *scopes: str, **_options: Any) -> AccessTokenInfo:
        asked.extend(scopes)
        return AccessTokenInfo("a token", 2**40)

    monkeypatch.setattr(DefaultAzureCredential, "get_token_info", token)
    monkeypatch.setenv("LAKEHOUSE_COSMOS", container.account.endpoint)
    brought(board)
    assert {*asked} == {"https://127.0.0.1/.default"}
    assert container.rows() == board.rows()


def test_a_sink_waits_while_nobody_says_where_its_store_is(
    board: Board, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.make(departures(3))
    monkeypatch.delenv("LAKEHOUSE_COSMOS")
    assert run(board).reason == "LAKEHOUSE_COSMOS isn't set, so nothing is written"


def _feed_lost(board: Board, container: Container) -> None:
    shutil.rmtree(Path(board.path) / "_change_data")


def _made_anew(board: Board, container: Container) -> None:
    rows = board.rows()
    shutil.rmtree(board.path)
    board.make([tuple(row) for row in rows])


def _container_made_anew(board: Board, container: Container) -> None:
    with container.in_database() as database:
        database.delete_container("board")


@pytest.mark.parametrize(("happens", "why"), [
    (_feed_lost, "the changes of versions 1 to 2 can't be read"),
    (_made_anew, "the table was made anew"),
    (_container_made_anew, "the container was made anew"),
])  # fmt: skip
def test_where_the_changes_cannot_be_read_all_rows_are_compared(
    board: Board, container: Container, happens: Callable[[Board, Container], None], why: str
) -> None:
    board.make(departures(30))
    brought(board)
    board.put([("JFK", 0, "C1", 45), ("SEA", 901, "A1", 0)])
    board.remove("origin = 'LGA'")
    happens(board, container)
    told = run(board)
    assert told.strategy == "full"
    assert told.reason.startswith(why)
    assert container.rows() == board.rows()
    assert brought(board) == ("nothing", 0, 0)


def test_what_a_person_changed_in_the_store_is_mended_by_a_full_sync(board: Board, container: Container) -> None:
    board.make(departures(30))
    brought(board)
    changed, more, short, gone = container.items()[:4]
    container.put({**changed, "gate": "mine"})
    container.put({**more, "note": "mine"})
    container.put({**short, "ttl": 5})
    with container.opened() as there:
        there.delete_item(gone["id"], gone["origin"])
    container.put({"id": "mine", "origin": "XXX"})
    assert brought(board) == ("nothing", 0, 0)
    assert brought(board, full=True) == ("full", 4, 1)
    assert container.rows() == board.rows()
    assert container.items("SELECT * FROM c WHERE IS_DEFINED(c.note) OR (IS_DEFINED(c.ttl) AND c.id <> 'mine')") == []
    assert brought(board, full=True) == ("full", 0, 0)


def test_other_columns_are_written_of_all_rows(board: Board, container: Container) -> None:
    to = f'to=cosmos("{container.database}", "board", partition="/origin")'
    board.make(departures(30))
    brought(board)
    board.project.sink("live_board", f'sink("gold.board", {to}, columns=["origin", "flight", "gate"])')
    told = run(board)
    assert (told.strategy, told.reason) == ("full", "its columns are others than before")
    assert container.items("SELECT * FROM c WHERE IS_DEFINED(c.delay)") == []


@pytest.mark.parametrize(("path", "ttl", "why"), [
    ("/flight", -1, "its partition key is /flight, and the sink says /origin"),
    ("/origin", None, "its time to live is off, so rows would go by themselves, or none ever"),
    ("/origin", 60, "its time to live is 60"),
])  # fmt: skip
def test_a_container_that_does_not_fit_is_refused(
    board: Board, container: Container, path: str, ttl: int | None, why: str
) -> None:
    from azure.cosmos import CosmosClient, PartitionKey

    with CosmosClient(container.account.endpoint, cosmos.KEY) as client:
        database = client.create_database(container.database)
        database.create_container("board", PartitionKey(path), default_ttl=ttl)
    board.make(departures(3))
    with pytest.raises(SinkError, match=why):
        run(board)
    assert container.rows() == []


def test_two_rows_of_one_key_are_refused(board: Board, container: Container) -> None:
    board.make(departures(3))
    brought(board)
    board.add([("JFK", 9, "a", 1), ("JFK", 9, "b", 2)])
    with pytest.raises(SinkError, match=r"several with the key .*JFK"):
        run(board)
    assert len(container.rows()) == 3


def test_a_row_that_is_too_large_is_named(board: Board, container: Container) -> None:
    board.make([*departures(3), ("JFK", 9, "é" * items.ITEM_BYTES, 1)])
    with pytest.raises(SinkError, match=r'JFK\\",9.*4,194,\d+ bytes, and an item takes 2,097,152; leave a column out'):
        run(board)


def test_the_commands_tell_what_the_store_has(
    board: Board, container: Container, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    board.make(departures(3))
    brought(board)
    command = Command(board.project, monkeypatch, capsys)
    assert re.search(r"shop.sinks.live_board +cosmos .*board +shop.gold.board +0 +0", command("sink", "list").out)
    told = command("doctor").out
    assert re.search(r"✓ +sink shop.sinks.live_board +cosmos answers; '.*/board' has version 0", told)
    assert cosmos.KEY not in told
