"""A sensor's cursor may be any text, and is then no cursor: nothing that a person types keeps files waiting."""

from __future__ import annotations

import json
import time
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_assets.engine.compile.cursor import LAST_RETRY_SECONDS, Cursor, read_cursor
from lakehouse_assets.engine.compile.sensors import Watch, one_run

OURS = {"digest": "d", "at": 1.5, "tries": 2, "listed": 0}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from([*OURS]), inner),
)


def asked_for(cursor: str | None) -> dg.SensorResult:
    """What a tick decides that finds a file and this cursor."""
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance, cursor)
        tags = {"lakehouse/arrivals": "shop"}
        decision = one_run(context, Watch("files", tags, lambda: {"t": ["f"]}, lambda _: dg.RunRequest()))
    assert isinstance(decision, dg.SensorResult)
    return decision


@pytest.mark.parametrize(
    "text",
    ["0", "latest", "[", "[" * 100_000, "1" * 10_000, "null", "[]", '"x"', "{}", '{"digest": "d"}',
     *(json.dumps({**OURS, **other}) for other in (
         {"more": 1}, {"digest": 1}, {"at": "now"}, {"at": None}, {"at": True}, {"at": float("nan")}, {"at": 10**400},
         {"tries": 1.5}, {"tries": -1}, {"tries": 10**30}, {"listed": float("inf")}, {"listed": [0]}))],
)  # fmt: skip
def test_a_cursor_that_is_none_of_ours_is_taken_for_none(text: str) -> None:
    assert read_cursor(text) == Cursor()
    assert asked_for(text).run_requests


@given(st.text() | ANY_JSON.map(json.dumps) | st.builds(lambda more: json.dumps({**OURS, **more}), st.dictionaries(
    st.sampled_from([*OURS]), st.none() | st.booleans() | st.integers() | st.floats() | st.text())))  # fmt: skip
def test_no_text_stops_a_sensor_or_keeps_it_waiting_longer_than_an_hour(text: str) -> None:
    cursor = read_cursor(text)
    assert 0 <= cursor.wait(cursor.digest, time.time()) <= LAST_RETRY_SECONDS
    assert 0 <= cursor.wait("other", 0) <= LAST_RETRY_SECONDS
    json.loads(cursor.text())


@given(st.builds(Cursor, st.text(), st.floats(0, 1e11), st.integers(0, 10**6), st.floats(0, 1e11)))
def test_a_cursor_is_read_back_as_it_was_written(cursor: Cursor) -> None:
    assert read_cursor(cursor.text()) == cursor


def test_the_cursor_of_a_tick_keeps_the_next_from_asking_for_the_same_at_once() -> None:
    first: Any = asked_for(None)
    again = asked_for(first.cursor)
    assert not again.run_requests
    assert "tried again in" in str(again.skip_reason)
