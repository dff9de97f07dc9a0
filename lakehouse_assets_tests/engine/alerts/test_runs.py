"""Alerts as runs of tables judge them, by delta-rs or by Spark, and as Dagster shows them."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from typing import Any

import pytest

from lakehouse_assets.engine.alerts import judge
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.spec.alerts import alert
from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.engine.alerts.flights import told
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.web import Site

BOARD = """
@table(raw="bronze.delays", write={write},
       columns=[Column("flight", "string", key=True), Column("delay", "int"), Column("share", "double"),
                Column("seq", "int"), Column("gone", "boolean")],
       alerts=[alert("{condition}", to="ops", says="{{flight}} is {{delay}} late", name="late")])
def board(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("flight", "int(delay) delay", "double(delay) / 3 share", "int(seq) seq", "boolean(gone) gone")
"""
MERGE = "merge(on='flight', newest='seq', delete_when='gone')"


@pytest.fixture
def board(project: Project) -> Project:
    project.bronze("delays")
    project.table("silver.board", BOARD.format(condition="delay > 60", write=MERGE))
    return project


def land(project: Project, seq: int, *lines: str) -> None:
    project.land(
        f"delays/{seq}.csv", "\n".join(["flight,delay,seq,gone", *(f"{line.format(seq)}" for line in lines), ""])
    )
    project.run("bronze.delays")


def states(hook: Site) -> list[str]:
    return [state for _, state in told(hook)]


def test_a_run_tells_and_a_rebuild_tells_nothing_anew(board: Project, hook: Site) -> None:
    land(board, 1, "SK1,70,{},false", "SK2,,{},false", "SK3,80,{},false")
    report = board.materialize("silver.board")
    assert report.alerts is not None
    assert (report.alerts.open, report.alerts.sent, states(hook)) == (2, 2, ["opened", "opened"])
    board.materialize("silver.board", full=True)
    assert board.materialize("silver.board").strategy == "nothing"
    assert states(hook) == ["opened", "opened"]
    land(board, 2, "SK1,70,{},true", "SK3,75,{},false")
    board.materialize("silver.board")
    assert states(hook) == ["opened", "opened", "cleared"]
    assert json.loads(hook.sent[-1])["key"] == {"flight": "SK1"}


def test_a_run_that_is_killed_before_its_alerts_is_made_up_by_one_with_nothing_to_do(
    board: Project, hook: Site
) -> None:
    land(board, 1, "SK1,70,{},false")
    where = "before lakehouse_assets.engine.run.materialize:tell_alerts"
    assert run_and_die(board, "silver.board", where, "materialize") == -signal.SIGKILL
    assert (len(board.rows("silver.board")), hook.sent) == (1, [])
    assert board.materialize("silver.board").strategy == "nothing"
    assert states(hook) == ["opened"]


def test_of_a_history_the_row_that_is_current_counts(project: Project, hook: Site) -> None:
    project.bronze("delays")
    project.table("silver.board", BOARD.format(condition="delay > 60", write="history(on='flight', newest='seq')"))
    for seq, delay in enumerate((70, 90, 10)):
        land(project, seq, f"SK1,{delay},{{}},false")
        project.materialize("silver.board")
    assert len(project.rows("silver.board")) == 3
    assert states(hook) == ["opened", "cleared"]


def test_what_delta_rs_may_not_judge_spark_does(project: Project, hook: Site) -> None:
    project.bronze("delays")
    project.table("silver.board", BOARD.format(condition="round(share) > 20 AND flight RLIKE '^SK'", write=MERGE))
    land(project, 1, "SK1,70,{},false", "LH1,70,{},false", "SK2,,{},false")
    project.materialize("silver.board")
    assert [json.loads(body)["key"] for body in hook.sent] == [{"flight": "SK1"}]


CONDITIONS = [
    "delay > 60", "delay <= 60 OR delay IS NULL", "NOT (delay > 60)", "flight = 'SK1'", "flight < 'SK' AND NOT gone",
    "flight IN ('SK1', 'lh 2') AND delay BETWEEN -5 AND 70", "gone = true OR seq <> 1", "seq >= delay",
    "NOT (gone AND delay > 0)", "share IS NULL", "flight NOT IN ('SK1')", "'M' < flight",
]  # fmt: skip


def test_both_engines_find_the_same_rows(board: Project, spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["SK1,70,{},false", "SK2,,{},true", "lh 2,-5,{},", "LH3,60,{},false", "Ωmega,61,{},true", "SK4,1,{},false"]
    land(board, 1, *(line for line in lines))
    board.table("silver.board", BOARD.format(condition="delay > 60", write=MERGE.replace(", delete_when='gone'", "")))
    board.run("silver.board")
    table, log = board.lakehouse.tables["shop.silver.board"], read_log(board.lake.table("shop.silver.board"))
    assert log is not None
    asked = [alert(it, to="ops", says="{flight} {delay} {gone} {seq}", name=f"c{n}") for n, it in enumerate(CONDITIONS)]
    table = replace(table, alerts=tuple(asked))
    assert all(judge._by_delta_rs(f"({it.condition})", ["flight"], log) is not None for it in asked)
    by_delta_rs = judge.met(table, log, board.context())
    monkeypatch.setattr(judge, "_by_delta_rs", lambda *_: None)
    assert judge.met(table, log, board.context()) == by_delta_rs
    assert len({name for name, _ in by_delta_rs}) == len(CONDITIONS)


def test_dagster_shows_what_is_open_as_text_and_logs_what_has_no_channel(
    board: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LAKEHOUSE_NOTIFY_OPS", raising=False)
    land(board, 1, '"<b>[x](https://evil.example) | @all",70,{},false')
    done = board.by_dagster("silver.board")
    (made,) = done.get_asset_materialization_events()
    shown = {name: value.value for name, value in made.materialization.metadata.items()}
    assert (shown["alerts_open"], shown["alerts_waiting"], shown["alerts_sent"]) == (1, 0, 1)
    assert r"| `<b>[x](https://evil.example)` \| `@all` is 70 late |" in str(shown["alerts"])
    assert "Alert: <b>[x](https://evil.example) | @all is 70 late; about shop.silver.board" in capfd.readouterr().err
