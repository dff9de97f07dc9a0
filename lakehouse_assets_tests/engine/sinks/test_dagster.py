"""Sinks beside tables: as assets of Dagster, in plans, by the command, and in the loop of a continuous run."""

from __future__ import annotations

import re
from collections.abc import Sequence

import dagster as dg
import pytest

from lakehouse_assets.engine.compile.sensors import downstream
from lakehouse_assets.engine.compile.sinks.assets import build_sink
from lakehouse_assets.engine.plan.planner import plan_all
from lakehouse_assets.engine.run.live import Live
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.engine.sinks.board import Board, departures
from lakehouse_assets_tests.engine.sinks.database import Database

OTHER = 'sink("gold.board", to=postgres("other", connection="other"))'


def by_dagster(board: Board, *names: str) -> dg.ExecuteInProcessResult:
    lakehouse = board.project.lakehouse
    assets = [build_sink(lakehouse.sinks[f"shop.sinks.{name}"], lakehouse) for name in names]
    return dg.materialize(assets, resources=board.project.resources, raise_on_error=False)


def made(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    events = result.get_asset_materialization_events()
    return {e.asset_key.path[-1]: e.step_materialization_data.materialization for e in events if e.asset_key}


def plans(board: Board, full: bool = False) -> dict[str, tuple[str, str]]:
    lakehouse = board.project.lakehouse
    return {p.key: (p.strategy, p.reason) for p in plan_all(lakehouse, board.project.lake, lakehouse.assets, full)}


def test_dagster_is_told_what_became_of_the_store(board: Board, database: Database) -> None:
    board.make(departures(30))
    by_dagster(board, "live_board")
    board.put([("JFK", 0, "C1", 45)])
    board.remove("origin = 'LGA'")
    told = made(by_dagster(board, "live_board"))["live_board"]
    found = {name: value.value for name, value in told.metadata.items()}
    assert found.pop("seconds") > 0
    assert found == {
        "store": "postgres", "target": "board", "version": 2, "rows_upserted": 1, "rows_deleted": 10,
        "strategy": "upsert", "reason": "the changes since version 0",
    }  # fmt: skip
    assert told.tags is not None
    assert told.tags["dagster/data_version"] == f"{board.table.metadata().id}@2"


def test_the_asset_hangs_on_its_table_in_the_job_of_its_domain(board: Board, database: Database) -> None:
    defs = board.project.definitions()
    key = dg.AssetKey(["shop", "sinks", "live_board"])
    (spec,) = [s for s in defs.resolve_all_asset_specs() if s.key == key]
    assert [dep.asset_key.path for dep in spec.deps] == [["shop", "gold", "board"]]
    assert spec.kinds == {"postgres", "sink"}
    assert spec.group_name == "shop"
    assert spec.freshness_policy is not None
    assert key in defs.resolve_job_def("shop").asset_layer.selected_asset_keys


def test_what_arrives_reaches_the_sink(board: Board, database: Database) -> None:
    lakehouse = board.project.lakehouse
    reached = downstream([lakehouse.tables["shop.bronze.departures"]], lakehouse)
    assert [key.path[1:] for key in reached] == [["bronze", "departures"], ["gold", "board"], ["sinks", "live_board"]]


def test_a_sink_that_is_down_holds_back_nothing_else(
    board: Board, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.project.sink("other", OTHER)
    monkeypatch.setenv("LAKEHOUSE_POSTGRES_OTHER", "postgresql://a:secret@127.0.0.1:1/b")
    board.make(departures(30))
    result = by_dagster(board, "other", "live_board")
    assert not result.success
    assert [*made(result)] == ["live_board"]
    failed = result.failure_data_for_node("shop__sinks__other")
    assert failed is not None
    assert failed.user_failure_data is not None
    assert "LAKEHOUSE_POSTGRES_OTHER" in str(failed.user_failure_data.description)
    assert "secret" not in str(failed)
    assert database.rows() == board.rows()


def test_a_sink_that_waits_is_an_observation_and_no_failure(board: Board) -> None:
    board.project.sink("other", OTHER)
    board.make(departures(1))
    result = by_dagster(board, "other")
    assert result.success
    assert not made(result)
    (seen,) = result.get_asset_observation_events()
    told = seen.asset_observation_data.asset_observation.metadata
    assert told["reason"].value == "LAKEHOUSE_POSTGRES_OTHER isn't set, so nothing is written"


def test_a_plan_says_what_a_run_would_do(board: Board, database: Database) -> None:
    board.project.sink("other", OTHER)
    assert plans(board)["shop.sinks.live_board"] == ("nothing", "shop.gold.board not built yet")
    board.make(departures(3))
    assert plans(board)["shop.sinks.live_board"] == ("full", "the store has no version of the table yet")
    assert plans(board)["shop.sinks.other"] == ("nothing", "LAKEHOUSE_POSTGRES_OTHER isn't set, so nothing is written")
    board.project.materialize("sinks.live_board")
    assert plans(board)["shop.sinks.live_board"][0] == "nothing"
    board.put([("JFK", 0, "C1", 45)])
    assert plans(board)["shop.sinks.live_board"] == ("upsert", "the changes since version 0")
    assert board.project.materialize("sinks.live_board").strategy == "upsert"
    assert plans(board, full=True)["shop.sinks.live_board"] == ("full", "all rows were asked for")


def test_a_store_that_is_down_is_refused_in_the_plan(
    board: Board, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.make(departures(3))
    monkeypatch.setenv("LAKEHOUSE_POSTGRES", "postgresql://a:secret@127.0.0.1:1/b")
    strategy, reason = plans(board)["shop.sinks.live_board"]
    assert strategy == "refused"
    assert "Connection refused" in reason


def test_the_loop_runs_a_sink_after_its_table_and_tries_it_again(
    board: Board, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.project.table("bronze.departures", 'departures = kafka("departures", continuous=True, connection="unset")')
    board.make(departures(3))
    live, told = Live.of("shop", board.project.lakehouse), list[tuple[str, str]]()
    assert live.order[-2:] == ["shop.gold.board", "shop.sinks.live_board"]

    def round_of(*due: str) -> Sequence[tuple[str, str]]:
        live.due = set(due)
        told.clear()
        live.round(board.project.context(), lambda key, found: told.append((key, getattr(found, "strategy", "failed"))))
        return [it for it in told if it[0] in due]

    url = database.url
    monkeypatch.setenv("LAKEHOUSE_POSTGRES", "postgresql://a:b@127.0.0.1:1/b")
    assert round_of("shop.sinks.live_board") == [("shop.sinks.live_board", "failed")]
    assert round_of("shop.sinks.live_board") == []  # it's let be for some seconds
    live.failed.clear()
    monkeypatch.setenv("LAKEHOUSE_POSTGRES", url)
    assert round_of("shop.sinks.live_board") == [("shop.sinks.live_board", "full")]
    assert database.rows() == board.rows()
    live._settle("shop.gold.board", _stored(board), board.project.lakehouse)
    assert "shop.sinks.live_board" in live.due


def _stored(board: Board) -> object:
    from lakehouse_assets.engine.run.report import Report, Stored

    return Report("shop.gold.board", "merge", "", 0, stored=Stored("", 1, 3))


@pytest.fixture
def command(board: Board, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(board.project, monkeypatch, capsys)


def test_the_command_lists_runs_and_resyncs_sinks(board: Board, database: Database, command: Command) -> None:
    board.project.sink("other", OTHER)
    board.make(departures(30))
    told = command("run", "sinks")
    assert told.code == 0, told
    assert "30 rows put into the store and 0 taken out" in told.out
    assert "shop.sinks.other  waits: LAKEHOUSE_POSTGRES_OTHER isn't set" in told.out
    database.ask("UPDATE board SET gate = 'mine' WHERE flight < 2")
    told = command("sink", "resync", "live_board")
    assert told.code == 0, told
    assert "full, 2 rows put into the store and 0 taken out" in told.out
    assert database.rows() == board.rows()
    listed = command("sink", "list").out
    assert "postgres board" in listed
    assert "LAKEHOUSE_POSTGRES_OTHER isn't set" in listed
    assert "did you mean sinks.live_board" in command("sink", "resync", "sinks.live_bord").out
    assert "shop.sinks.live_board" in command("plan").out


def test_the_doctor_tries_the_stores(board: Board, database: Database, command: Command) -> None:
    board.project.sink("other", OTHER)
    board.make(departures(3))
    board.project.materialize("sinks.live_board")
    told = command("doctor").out
    assert re.search(r"✓ +sink shop.sinks.live_board +postgres answers; 'board' has version 0", told)
    assert re.search(r"sink shop.sinks.other +LAKEHOUSE_POSTGRES_OTHER isn't set, so it waits", told)
    assert database.url.split(":")[2].partition("@")[0] not in told
