"""What is wrong with a declared alert is told with the file and the line, before anything runs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from lakehouse_assets.engine.graph.alert_problems import alert_problems
from lakehouse_assets.engine.spec.alerts import Alert, alert
from lakehouse_assets.engine.spec.asset import Domain
from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.expectations import not_null
from lakehouse_assets.engine.spec.modes import Append, History
from lakehouse_assets.engine.spec.table import Table

COLUMNS = (Column("flight", "string", key=True), Column("delay", "int"), Column("Seat Map", "array<struct<row:int>>"))


def problems(*alerts: Alert, columns: tuple[Column, ...] = COLUMNS, notify: str = "ops", **more: object) -> list[str]:
    declared = {"write": Append(), **more}
    table = Table("air", "gold", "board", "The board.", {}, columns, (), (), file=Path("board.py"), line=7,
                  alerts=alerts, **declared)  # type: ignore[arg-type]  # fmt: skip
    domain = Domain("team:air", "@daily", timedelta(1), notify=notify)
    return list(alert_problems(table, {"air": domain}, {}))


@pytest.mark.parametrize(
    "condition",
    ["delay > 60", "DELAY > 60 AND flight LIKE 'SK%'", "exists(`Seat Map`, s -> s.row > 3)", "_batch > 3",
     "upper(flight) RLIKE '^SK' AND date_add(current_date(), delay) > DATE'2024-01-01'"],
)  # fmt: skip
def test_a_condition_on_its_own_columns_is_fine(condition: str) -> None:
    assert problems(alert(condition, to="ops", says="{flight}: {Seat Map}")) == []


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (
            alert("dealy > 60", to="ops", name="a"),
            "is about 'dealy', which isn't among its columns; did you mean",
        ),
        (
            alert("delay > 60", to="ops", says="{who}", name="a"),
            "is about 'who', which isn't among its columns; dec",
        ),
        (
            alert("delay > 60", to="ops", says="{delay:d}", name="a"),
            "is about 'delay:d', which isn't among its col",
        ),
        (
            alert("delay >", to="ops", name="a"),
            "condition of its alert 'a' is no SQL condition: 'delay >'; mend",
        ),
        (alert("SELECT 1", to="ops", name="a"), "the condition of its alert 'a' is no SQL condition"),
        (alert("delay > 1; DROP TABLE x", to="ops", name="a"), "the condition of its alert 'a' is no SQL condition"),
        (alert("delay > 60", to="the ops", name="a"), "an alert is called, or told to, 'the ops'; use letters"),
        (alert("delay > 60", to="ops", name="a b"), "an alert is called, or told to, 'a b'; use letters"),
    ],
)
def test_what_is_wrong_with_an_alert_is_told_with_its_place(declared: Alert, told: str) -> None:
    (problem,) = problems(declared)
    assert problem.startswith("board.py:7: air.gold.board: ")
    assert told in problem


def test_alerts_need_a_key_and_names_of_their_own() -> None:
    late = alert("delay > 60", to="ops")
    assert late.name == "delay_gt_60"
    (problem,) = problems(late, columns=(Column("delay", "int"),))
    assert "has alerts, and no key that tells whose they are" in problem
    (problem,) = problems(late, alert("delay > 60", to="others"))
    assert "two alerts are called 'delay_gt_60'" in problem


def test_a_history_has_the_columns_that_it_adds_by_itself() -> None:
    late = alert("delay > 60 AND valid_from > TIMESTAMP'2024-01-01 00:00:00'", to="ops", name="late")
    assert problems(late, write=History(("flight",), ("delay",), None, ())) == []


def test_a_domain_names_its_channel_as_alerts_do() -> None:
    (problem,) = problems(notify="our ops")
    assert "its domain notifies 'our ops'; name a channel by letters, digits and _" in problem


def test_the_condition_is_the_name_and_the_text_unless_others_are_given() -> None:
    assert alert(not_null("flight"), to="ops") == Alert("flight_not_null", "`flight` IS NOT NULL", "ops",
                                                        "`flight` IS NOT NULL")  # fmt: skip
