"""A request may bring keys alone: a function fills in the features, here from a table of SQLite."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from lakehouse_assets.serve.models import Refused
from lakehouse_assets_tests.serve.models.echo import Pairs
from lakehouse_assets_tests.serve.models.in_process import Ask, asking
from lakehouse_assets_tests.serve.models.shelf import Shelf, columns


@pytest.fixture
def ask(shelf: Shelf, tmp_path: Path) -> Ask:
    with sqlite3.connect(tmp_path / "features.db") as made:
        made.execute("CREATE TABLE routes (route TEXT PRIMARY KEY, km REAL)")
        made.executemany("INSERT INTO routes VALUES (?, ?)", [("a", 2.5), ("b", 8.0), ("unmeasured", None)])
    made.close()

    def by_route(sent: pd.DataFrame) -> pd.DataFrame:
        if "route" not in sent:
            return sent
        table = sqlite3.connect(tmp_path / "features.db")
        known = dict(table.execute("SELECT route, km FROM routes"))
        table.close()
        if unknown := [route for route in sent["route"] if route not in known]:
            raise Refused(f"There is no route {unknown[0]!r}.")
        return sent.assign(km=sent["route"].map(known)).drop(columns="route")

    signature = columns(km="double", minutes="double")
    return asking(shelf.serve(Pairs(), "shop.models.pairs", signature=signature), lookup=by_route)


def test_features_are_filled_in_by_key(ask: Ask) -> None:
    rows = [{"route": "b", "minutes": 20}, {"route": "a", "minutes": 5}]
    assert ask(json.dumps({"dataframe_records": rows})).told == {"predictions": [[8.0, 20.0], [2.5, 5.0]]}
    assert ask("route,minutes\nb,20\n", content_type="text/csv").told == {"predictions": [[8.0, 20.0]]}


def test_features_that_are_sent_need_no_key(ask: Ask) -> None:
    assert ask('{"inputs": {"km": [1], "minutes": [2]}}').told == {"predictions": [[1.0, 2.0]]}


@pytest.mark.parametrize(
    ("row", "status", "reason"),
    [
        ({"route": "z", "minutes": 1}, 400, "There is no route 'z'."),
        ({"route": "unmeasured", "minutes": 1}, 400, "Column 'km' takes a double, but row 1 has null."),
        ({"route": "a", "minutes": "1"}, 400, "Column 'minutes' takes a double, but row 1 has the text '1'."),
        ({"route": "a"}, 400, "the model needs 'minutes'"),
        ({"route": ["a"], "minutes": 1}, 500, "The features couldn't be looked up"),
    ],
)
def test_what_cannot_be_looked_up_is_told(ask: Ask, row: object, status: int, reason: str) -> None:
    answer = ask(json.dumps({"dataframe_records": [row]}))
    assert answer.status == status
    assert reason in answer.message
