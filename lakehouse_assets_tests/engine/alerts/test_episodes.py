"""People are told of a key once when its row begins to meet the condition, and once when that is over."""

from __future__ import annotations

import json
import signal
import tempfile
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_assets.engine.alerts import deliver
from lakehouse_assets.engine.spec.alerts import alert
from lakehouse_assets_tests.engine.alerts.flights import LATE, Flights, ended, table, told
from lakehouse_assets_tests.servers.web import Answer, Site

DELIVER = "lakehouse_assets.engine.alerts.deliver"
ADD = "lakehouse_assets.engine.alerts.outbox:Outbox.add"


def by_brute_force(versions: list[dict[str, int | None]]) -> list[tuple[str, str]]:
    """Flight and state of all that has to be told, version by version."""
    found, late = list[tuple[str, str]](), set[str]()
    for version in versions:
        now = {flight for flight, delay in version.items() if delay is not None and delay > 60}
        found += [(flight, "cleared") for flight in sorted(late - now)]
        found += [(flight, "opened") for flight in sorted(now - late)]
        late = now
    return found


a_version = st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, 0, 60, 61, 300]), max_size=3)


@settings(max_examples=12, deadline=None)
@given(versions=st.lists(a_version, min_size=1, max_size=6), idle=st.integers(0, 5))
def test_any_sequence_of_versions_is_told_of_as_a_brute_force_would(
    versions: list[dict[str, int | None]], idle: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        flights = Flights(folder, table())
        for number, version in enumerate(versions):
            flights.write(version)
            flights.tell()
            if number == idle:
                flights.tell()
        rows = [(episode, json.loads(key)["flight"], state) for episode, key, state, _ in flights.entries()]
    happened = [(flight, state) for _, flight, state in rows if state != "sent"]
    assert Counter(happened) == Counter(by_brute_force(versions))
    opened = [episode for episode, _, state in rows if state == "opened"]
    assert len(opened) == len(set(opened))
    assert Counter(state for *_, state in rows)["sent"] == len(happened)


def test_a_flight_is_told_of_once_until_it_is_over(flights: Flights, hook: Site) -> None:
    for delay in (70, 90, 300):
        flights.write({"SK1": delay, "SK2": 60, "SK3": None})
        flights.tell()
    (sent,) = [json.loads(body) for body in hook.sent]
    assert (sent["state"], sent["about"], sent["alert"], sent["key"]) == (
        "opened", "air.gold.board", "late", {"flight": "SK1"},
    )  # fmt: skip
    assert sent["text"] == "SK1 to Oslo leaves 70 minutes late"
    flights.write({"SK1": None})
    flights.tell()
    assert told(hook) == [(sent["episode"], "opened"), (sent["episode"], "cleared")]


def test_another_time_is_another_episode(flights: Flights, hook: Site) -> None:
    for delay in (70, 10, 70):
        flights.write({"SK1": delay})
        flights.tell()
    first, again, second = told(hook)
    assert (first[1], again, second[1]) == ("opened", (first[0], "cleared"), "opened")
    assert second[0] != first[0]


def test_a_row_that_is_deleted_ends_its_episode(flights: Flights, hook: Site) -> None:
    flights.write({"SK1": 70, "SK2": 80})
    flights.tell()
    flights.write({"SK2": 80})
    flights.tell()
    assert [state for _, state in told(hook)] == ["opened", "opened", "cleared"]


def test_a_run_without_a_new_version_judges_nothing_and_commits_nothing(flights: Flights, hook: Site) -> None:
    flights.write({"SK1": 70})
    flights.tell()
    before = flights.versions()
    found = flights.tell()
    assert (found.open, found.sent, found.waiting, flights.versions()) == (1, 0, 0, before)


def test_a_condition_that_is_declared_anew_is_judged_at_once(flights: Flights, hook: Site) -> None:
    flights.write({"SK1": 70, "SK2": 30})
    flights.tell()
    replace(flights, declared=table(alert("delay > 20", to="ops", name="late"))).tell()
    assert Counter(state for _, state in told(hook)) == {"opened": 2}
    replace(flights, declared=table(alert("delay > 20", to="ops", name="other"))).tell()
    assert Counter(state for _, state in told(hook)) == {"opened": 4, "cleared": 2}


@pytest.mark.parametrize(
    ("where", "messages"), [(f"before {ADD}", 1), (f"after {ADD}", 1), (f"before {DELIVER}:send", 1),
                            (f"after {DELIVER}:send", 2)],
)  # fmt: skip
def test_a_run_that_is_killed_is_made_up_under_the_same_id(
    flights: Flights, hook: Site, where: str, messages: int
) -> None:
    flights.write({"SK1": 70})
    assert ended(flights.start(where)) == -signal.SIGKILL
    before = told(hook)
    assert flights.tell().waiting == 0
    assert len(told(hook)) == messages
    assert {*before} <= {*told(hook)}
    assert len({*told(hook)}) == 1
    assert [state for _, _, state, _ in flights.entries()] == ["opened", "sent"]
    flights.tell()
    assert len(told(hook)) == messages


def test_runs_at_once_open_an_episode_once(flights: Flights, hook: Site) -> None:
    flights.write({"SK1": 70, "SK2": 80})
    assert [ended(process) for process in [flights.start() for _ in range(3)]] == [0, 0, 0]
    assert Counter(state for _, _, state, _ in flights.entries())["opened"] == 2
    assert len({*told(hook)}) == 2


def test_a_channel_that_is_down_keeps_its_messages_until_it_is_up(flights: Flights, hook: Site) -> None:
    hook.pages["/s3cret"] = Answer(b"secret words", status=503)
    flights.write({"SK1": 70})
    found = flights.tell()
    assert (found.open, found.waiting, found.sent) == (1, 1, 0)
    (why,) = found.problems
    assert why.startswith("Telling ops (LAKEHOUSE_NOTIFY_OPS, 127.0.0.1): it answered 503 Service Unavailable; ")
    flights.write({"SK1": 10})
    assert flights.tell().waiting == 2
    hook.pages["/s3cret"], before = Answer(b"ok"), len(hook.sent)
    assert flights.tell().waiting == 0
    assert [state for _, state in told(hook)[before:]] == ["opened", "cleared"]


def test_a_channel_that_failed_is_let_be_for_a_while_and_holds_back_no_other(
    flights: Flights, hook: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "PAUSE_SECONDS", 3600.0)
    monkeypatch.setenv("LAKEHOUSE_NOTIFY_DOWN", f"{hook.url}/down")
    both = replace(flights, declared=table(replace(LATE, to="down", name="first"), LATE))
    both.write({"SK1": 70, "SK2": 80})
    found = both.tell()
    assert (found.sent, found.waiting) == (2, 2)
    assert len([path for path, _ in hook.asked if path == "/down"]) == 1
    (why,) = both.tell().problems
    assert why == "Telling down (LAKEHOUSE_NOTIFY_DOWN, 127.0.0.1): it failed a moment ago; it's tried later"
    assert len([path for path, _ in hook.asked if path == "/down"]) == 1


def test_a_message_that_is_refused_holds_back_no_other(flights: Flights, hook: Site) -> None:
    hook.pages["/s3cret"] = [Answer(status=400), Answer(b"ok")]
    flights.write({"SK1": 70, "SK2": 80})
    found = flights.tell()
    assert (found.sent, found.waiting) == (1, 1)
    assert flights.tell().waiting == 0


def test_without_a_variable_the_log_of_the_run_is_told(flights: Flights) -> None:
    flights.write({"SK1": 70})
    (line,) = flights.tell().logged
    assert line.startswith('Alert: SK1 to Oslo leaves 70 minutes late; about air.gold.board {"flight": "SK1"}; alert ')
    assert flights.tell().logged == ()


def test_a_storm_is_sent_a_part_at_a_time_and_whole(
    flights: Flights, hook: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "MOST", 10)
    flights.write({f"SK{n}": 70 for n in range(25)})
    found = [flights.tell() for _ in range(3)]
    assert [(it.sent, it.waiting) for it in found] == [(10, 15), (10, 5), (5, 0)]
    assert len({*told(hook)}) == 25
    assert (found[-1].open, len(found[-1].episodes)) == (25, deliver.SHOWN)
