"""Whatever is sent, there is no 5xx; and what is answered is what the model says of a frame that others have made."""

from __future__ import annotations

import json
import math
from typing import Any

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

from lakehouse_assets.serve.models.registry import Champion
from lakehouse_assets_tests.serve.models.in_process import Ask, asking
from lakehouse_assets_tests.serve.models.shelf import Shelf

QUICK = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
KM = st.one_of(
    st.floats(-1e6, 1e6), st.integers(-(10**6), 10**6), st.none(), st.booleans(), st.text(max_size=3),
    st.floats(allow_nan=True), st.integers(-(10**30), 10**30), st.just([1.0]), st.just({}),
)  # fmt: skip
ZONE = st.one_of(
    st.sampled_from(["inner", "ring", "outer"]), st.text(max_size=5), st.none(), st.integers(), st.floats()
)
ROW = st.fixed_dictionaries(
    {"km": KM, "minutes": st.floats(0, 1e4), "zone": ZONE}, optional={"tip": st.none(), "": st.integers()}
)
SOUND = st.fixed_dictionaries(
    {
        "km": st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6),
        "minutes": st.floats(0, 1e4),
        "zone": st.text(max_size=5),
    }
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
WORDS = (
    "dataframe_split",
    "dataframe_records",
    "instances",
    "inputs",
    "columns",
    "data",
    "index",
    "params",
    "km",
    "zone",
)
ENVELOPE = st.dictionaries(st.sampled_from(WORDS), JSON | st.dictionaries(st.sampled_from(WORDS), JSON), max_size=3)


@pytest.fixture(scope="module")
def champion(fare_shelf: Shelf) -> Champion:
    return fare_shelf.champion()


@pytest.fixture(scope="module")
def ask(champion: Champion) -> Ask:
    return asking(champion)


def sent(rows: list[dict[str, Any]], form: str) -> str:
    """The rows in one of the forms; split and columns take the names of the first row."""
    names = list(rows[0])
    table = {name: [row.get(name) for row in rows] for name in names}
    split = {"columns": names, "data": [[row.get(name) for name in names] for row in rows]}
    return json.dumps({form: {"dataframe_split": split, "inputs": table}.get(form, rows)})


def is_sound(row: dict[str, Any]) -> bool:
    """Independently of what is tested: two finite numbers, a text, and nothing else."""
    numbers = all(type(row[name]) in (int, float) and math.isfinite(row[name]) for name in ("km", "minutes"))
    whole = type(row["zone"]) is str and not any("\ud800" <= letter <= "\udfff" for letter in row["zone"])
    return set(row) == {"km", "minutes", "zone"} and numbers and whole


def assert_scored(champion: Champion, rows: list[dict[str, Any]], answer: Any) -> None:
    frame = pd.DataFrame(
        {
            "km": [float(r["km"]) for r in rows],
            "minutes": [float(r["minutes"]) for r in rows],
            "zone": [r["zone"] for r in rows],
        }
    )
    assert answer.status == 200, answer
    assert answer.told["predictions"] == champion.model.predict(frame).tolist()


@settings(QUICK, max_examples=150)
@given(rows=st.lists(ROW, min_size=1, max_size=4), form=st.sampled_from(WORDS[:4]))
def test_rows_of_any_values_are_scored_or_refused(ask: Ask, champion: Champion, rows: list[Any], form: str) -> None:
    answer = ask(sent(rows, form))
    same_names = all(set(row) == set(rows[0]) for row in rows)
    if same_names and all(map(is_sound, rows)):
        assert_scored(champion, rows, answer)
    elif same_names:
        assert answer.status == 400, answer
        assert answer.message
    else:
        assert answer.status in (200, 400), answer


@settings(QUICK, max_examples=100)
@given(rows=st.lists(SOUND, min_size=1, max_size=5), form=st.sampled_from(WORDS[:4]))
def test_sound_rows_have_the_models_own_scores(ask: Ask, champion: Champion, rows: list[Any], form: str) -> None:
    assert_scored(champion, rows, ask(sent(rows, form)))


@settings(QUICK, max_examples=100)
@given(rows=st.lists(SOUND.filter(lambda row: row["zone"] and "\x00" not in row["zone"]), min_size=1, max_size=5))
def test_sheets_have_the_models_own_scores(ask: Ask, champion: Champion, rows: list[Any]) -> None:
    text = pd.DataFrame(rows, dtype=object).to_csv(index=False, quoting=1)
    assert_scored(champion, rows, ask(text, content_type="text/csv"))


@settings(QUICK, max_examples=300)
@given(body=ENVELOPE | JSON)
def test_no_json_makes_it_fail(ask: Ask, body: Any) -> None:
    assert ask(json.dumps(body)).status == 400


@settings(QUICK, max_examples=200)
@given(body=st.binary(max_size=60), content_type=st.sampled_from(["application/json", "text/csv"]))
def test_no_bytes_make_it_fail(ask: Ask, body: bytes, content_type: str) -> None:
    assert ask(body, content_type=content_type).status == 400


@settings(QUICK, max_examples=200)
@given(cut=st.integers(0, 200), put=st.binary(max_size=3), at=st.integers(0, 200))
def test_no_damaged_request_makes_it_fail(ask: Ask, cut: int, put: bytes, at: int) -> None:
    whole = b'{"dataframe_split": {"columns": ["km", "minutes", "zone"], "data": [[1.5, 2, "ring"], [3, 4, "outer"]]}}'
    assert ask(whole[: min(at, cut)] + put + whole[max(at, cut) :]).status in (200, 400)
