"""The same answers as `mlflow models serve`, byte for byte, and a refusal in the place of a guess."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lakehouse_assets_tests.serve.models.shelf import TRIPS, Server, Shelf, mlflows, ours

SPLIT = TRIPS.to_dict(orient="split")
RECORDS = TRIPS.to_dict(orient="records")
COLUMNS = TRIPS.to_dict(orient="list")
GOOD = {
    "split": {"dataframe_split": SPLIT},
    "split without index": {"dataframe_split": {"columns": SPLIT["columns"], "data": SPLIT["data"]}},
    "columns in another order": {
        "dataframe_split": {"columns": ["zone", "minutes", "km"], "data": [["ring", 2.5, 1.1]]}
    },
    "records": {"dataframe_records": RECORDS},
    "one record": {"dataframe_records": RECORDS[:1]},
    "instances": {"instances": RECORDS},
    "inputs by column": {"inputs": COLUMNS},
    "inputs by row": {"inputs": RECORDS},
    "whole numbers": {"dataframe_records": [{"km": 3, "minutes": 7, "zone": "ring"}]},
    "an unknown zone": {"dataframe_records": [{"km": 0.1, "minutes": 1e-9, "zone": "Zürich ☃"}]},
    "many rows": {"dataframe_split": {"columns": SPLIT["columns"], "data": SPLIT["data"] * 200}},
}


@pytest.fixture(scope="module")
def both(fare_shelf: Shelf) -> Iterator[tuple[Server, Server]]:
    with ours(fare_shelf) as us, mlflows(fare_shelf) as them:
        yield us, them


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_a_good_body_has_the_same_answer(both: tuple[Server, Server], body: object) -> None:
    us, them = (server.ask(json.dumps(body)) for server in both)
    assert us.status == them.status == 200
    assert us.body == them.body
    assert us.headers["content-type"] == them.headers["content-type"]


def test_csv_has_the_same_answer(both: tuple[Server, Server]) -> None:
    us, them = (server.ask(TRIPS.to_csv(index=False), Content_Type="text/csv; charset=utf-8") for server in both)
    assert us.status == 200
    assert us.body == them.body


@pytest.mark.parametrize("path", ["/ping", "/health", "/version"])
def test_health_and_version_are_told_alike(both: tuple[Server, Server], path: str) -> None:
    us, them = (server.get(path) for server in both)
    assert (us.status, us.body, us.headers["content-type"]) == (200, them.body, them.headers["content-type"])


def test_what_mlflow_lets_through_is_refused(both: tuple[Server, Server]) -> None:
    us, them = both
    extra = json.dumps({"dataframe_records": [{**RECORDS[0], "tip": 1}]})
    number = json.dumps({"dataframe_records": [{**RECORDS[0], "zone": 3}]})
    assert [them.ask(body).status for body in (extra, number)] == [200, 200]
    assert us.ask(extra).message == "The columns don't fit: it doesn't take 'tip'."
    assert us.ask(number).message == "Column 'zone' takes a string, but row 1 has 3."
