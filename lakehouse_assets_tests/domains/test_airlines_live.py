"""Airlines live: a simulated hour of real flights, and the reports of real aircraft, from a real broker to gold."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from confluent_kafka import Producer

from lakehouse_assets.domains.airlines import simulation
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.plan.small_runs import interpreted
from lakehouse_assets.engine.query.sql_names import answer, located
from lakehouse_assets.engine.run.live import Live
from lakehouse_assets.engine.run.materialize import materialize
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.environment import open_lake, open_lakehouse
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import read_settings
from lakehouse_assets.simulation import LATEST, Event, sent_in_disorder
from lakehouse_assets_tests.documents import commands
from lakehouse_assets_tests.domains.conftest import Feed
from lakehouse_assets_tests.servers.kafka import Kafka, running

START = datetime(2013, 1, 16, 15, tzinfo=simulation.ZONE)  # when it had snowed
END = START + timedelta(hours=1)
DAYS = ("2013-01-15", "2013-01-16", "2013-01-17")
MALFORMED = [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"flight_id": "X1", "status": "lost"}', None]
EARTH_KM = 6371.0088
Rows = pd.DataFrame


@dataclass(frozen=True)
class Lake:
    """An airlines lakehouse of one's own, and its broker, whose topics are as new."""

    context: Context
    kafka: Kafka

    def run(self, *tables: str) -> None:
        for table in tables:
            materialize(Request(f"airlines.{table}"), self.context)

    def rows(self, table: str) -> Rows:
        """The rows of `layer.name` by delta-rs, without system columns."""
        return self._plain(self.context.lake.table(f"airlines.{table}"))

    def rejected(self, table: str) -> Rows:
        return self._plain(self.context.lake.quarantine(f"airlines.{table}"))

    def _plain(self, place: Any) -> Rows:
        log = read_log(place)
        assert log is not None
        found = log.table.to_pandas()
        return found[[name for name in found.columns if not str(name).startswith("_")]]

    def send(self, events: Iterable[Event]) -> None:
        """Send events as they come, those of a key to one partition."""
        producer = Producer({"bootstrap.servers": self.kafka.address, "linger.ms": 5})
        for number, event in enumerate(events):
            producer.produce(event.topic, json.dumps(event.value), event.key)
            if number % 10_000 == 9_999:
                producer.flush()
        producer.flush()


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="module")
def new_lake(
    kafka: Kafka, engine: SparkResource, feed: Feed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], Lake]]:
    """Makes an empty lake with airports and three days of flights landed, and topics with so many partitions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_KAFKA", kafka.address)

        def make(partitions: int) -> Lake:
            home = tmp_path_factory.mktemp("live")
            settings = read_settings({**os.environ, "LAKEHOUSE_HOME": str(home)})
            _land(feed, home / "landing" / "airlines")
            for topic in simulation.TOPICS:
                if topic in kafka.admin.list_topics().topics:
                    kafka.remove(topic)
                kafka.make(topic, partitions)
            lakehouse = open_lakehouse(settings, strict=True)
            return Lake(Context(lakehouse, open_lake(lakehouse, settings), engine.session), kafka)

        yield make


def _land(feed: Feed, landing: Path) -> None:
    for day in DAYS:
        of_day = feed.text["flights"][feed.flights["date"].astype(str) == day]
        (landing / "flights").mkdir(parents=True, exist_ok=True)
        of_day.to_csv(landing / "flights" / f"{day}.csv", index=False, na_rep="NA")
    (landing / "airports").mkdir()
    feed.text["airports"].to_csv(landing / "airports" / "airports.csv", index=False, na_rep="NA")


@pytest.fixture(scope="module")
def told() -> Sequence[Event]:
    """An hour of 2013, with what was told before of flights that weren't over."""
    return list(takewhile(lambda event: event.at < END, simulation.events(START)))


@pytest.fixture(scope="module")
def hour(new_lake: Callable[[int], Lake], told: Sequence[Event]) -> Lake:
    """The lake after one round over that hour, sent in disorder and with malformed messages among it."""
    lake = new_lake(2)
    lake.kafka.send(simulation.UPDATES, MALFORMED)
    lake.kafka.send(simulation.POSITIONS, MALFORMED)
    lake.send(event for _, event in sent_in_disorder(told, seed=1))
    lake.kafka.send(simulation.UPDATES, MALFORMED, partition=1)
    with interpreted(lake.context.session(), 0):
        lake.run("bronze.airports", "silver.airports", "bronze.flights", "silver.flights")
        live = Live.of("airlines", lake.context.lakehouse)
        live.take_in(lake.context, _fail_if_error)
        live.round(lake.context, _fail_if_error)
    return lake


def _fail_if_error(_key: str, found: object) -> None:
    if isinstance(found, Exception):
        raise found


@pytest.fixture(scope="module")
def expected(feed: Feed, hour: Lake) -> Rows:
    """Each flight as it stood at the end of the hour, by pandas; arrivals are those of the daily files' table."""
    daily = hour.rows("silver.flights")[["carrier", "flight", "origin", "scheduled_departure_at", "arrived_at",
                                         "scheduled_arrival_at"]]  # fmt: skip
    of_days = feed.flights[feed.flights["date"].astype(str).isin(DAYS)]
    known = of_days.merge(
        daily, left_on=["carrier", "flight", "origin", "scheduled"],
        right_on=["carrier", "flight", "origin", "scheduled_departure_at"],
    )  # fmt: skip
    late, sched = pd.to_timedelta(known["dep_delay"], unit="min"), known["scheduled"]
    departed, end, start = sched + late, pd.Timestamp(END), pd.Timestamp(START)
    arrives, after = known["scheduled_arrival_at"], departed + pd.Timedelta(minutes=1)
    expected_end = arrives.where(arrives > after, after)
    over = known["arrived_at"].fillna(
        expected_end.where(known["diverted"] & known["scheduled_arrival_at"].notna())
    ).fillna(departed).fillna(sched)  # fmt: skip
    told_late = late >= pd.Timedelta(minutes=15)
    status = pd.Series("scheduled", known.index)
    status[told_late & (sched - pd.Timedelta(minutes=30) < end)] = "delayed"
    status[known["cancelled"] & (sched < end)] = "cancelled"
    status[departed < end] = "departed"
    status[known["diverted"] & known["scheduled_arrival_at"].notna() & (over < end)] = "diverted"
    status[known["arrived_at"] < end] = "arrived"
    half = sched + pd.to_timedelta((known["dep_delay"] // 2), unit="min")
    estimated = half.where(sched >= end, departed).where(told_late & (sched - pd.Timedelta(minutes=30) < end))
    rows = known.assign(
        status=status, departed_at=departed.where(departed < end), estimated=estimated,
        arrived=known["arrived_at"].where(known["arrived_at"] < end),
    )  # fmt: skip
    return rows[(over >= start) & (sched - pd.Timedelta(hours=12) < end)]


KEY = ["carrier", "flight", "origin", "scheduled_departure_at"]


def test_each_flight_stands_as_pandas_has_it_at_that_time(hour: Lake, expected: Rows) -> None:
    found = hour.rows("silver.flight_status")
    both = found.merge(expected, on=KEY, how="outer", suffixes=("", "_expected"), validate="1:1")
    assert len(both) == len(found) == len(expected) > 500
    assert {*found["status"]} == {"scheduled", "delayed", "cancelled", "departed", "arrived"}
    for ours, theirs in (
        ("status", "status_expected"), ("departed_at", "departed_at_expected"), ("arrived_at", "arrived"),
        ("estimated_departure_at", "estimated"), ("destination", "dest"), ("tail_number", "tailnum"),
    ):  # fmt: skip
        same = both[ours].eq(both[theirs]) | (both[ours].isna() & both[theirs].isna())
        assert same.all(), both.loc[~same, [*KEY, ours, theirs]]


def test_the_board_has_the_delay_of_each_flight_by_the_clock_of_its_airport(hour: Lake, expected: Rows) -> None:
    tickets = expected.assign(ticket=expected["carrier"] + " " + expected["flight"].astype(str))
    board = hour.rows("gold.live_board").merge(
        tickets, left_on=["flight", "airport", "scheduled_departure_at"], suffixes=("", "_expected"),
        right_on=["ticket", "origin", "scheduled_departure_at"], validate="1:1",
    )  # fmt: skip
    assert len(board) == len(expected)
    known = board["departed_at_expected"].fillna(board["estimated"])
    delay = (known - board["scheduled_departure_at"]).dt.total_seconds() / 60
    assert board["departure_delay"].astype("float").equals(delay.astype("float"))
    assert (
        board["departs_at_local"] == board["scheduled"].dt.tz_convert("America/New_York").dt.strftime("%H:%M")
    ).all()
    assert board["expected_at_local"].notna().equals(known.notna())
    assert (board["departure_delay"] > 60).any()  # so that an alert would have something to tell


def test_delays_are_those_of_the_flights_that_left_in_each_minute(hour: Lake, expected: Rows) -> None:
    left = expected.dropna(subset=["departed_at"])
    minutes = left.groupby(["origin", "departed_at"])["dep_delay"].agg(
        departures="size", delayed_15=lambda delay: (delay >= 15).sum(), mean="mean", worst="max"
    ).reset_index()  # fmt: skip
    both = hour.rows("gold.delays_by_minute").merge(
        minutes, left_on=["airport", "minute"], right_on=["origin", "departed_at"], how="outer", validate="1:1"
    )
    assert len(both) == len(minutes) > 50
    assert both["departures_x"].equals(both["departures_y"])
    assert both["delayed_15_x"].equals(both["delayed_15_y"])
    assert both["mean_departure_delay"].tolist() == pytest.approx(both["mean"].tolist())
    assert (both["worst_departure_delay"] == both["worst"]).all()


def test_flights_that_are_over_agree_with_the_days_files(hour: Lake, expected: Rows) -> None:
    both = hour.rows("gold.live_reconciliation")
    over = both[both["live_status"].isin(["arrived", "cancelled", "diverted"])]
    assert len(both) == len(expected)
    assert len(over) > 40
    assert over["agrees"].all()
    under_way = both[both["live_status"].isin(["scheduled", "delayed"])]
    assert not under_way["agrees"].any()


def test_malformed_messages_are_in_quarantine_with_their_places_and_the_others_are_not(hour: Lake) -> None:
    sources = hour.rejected("silver.flight_status")["source"]
    assert len(sources) == 2 * len(MALFORMED)
    assert sources.str.fullmatch(r"flight-updates/[01]@\d+").all()
    assert len(hour.rejected("silver.tracks")) == len(MALFORMED)


def test_updates_in_any_order_and_in_any_batches_come_to_the_same(
    hour: Lake, new_lake: Callable[[int], Lake], told: Sequence[Event]
) -> None:
    before = hour.rows("silver.flight_status")
    updates = [event for event in told if event.topic == simulation.UPDATES]
    other = new_lake(2)
    for part in (updates[::-2], updates[::3], updates[::-1]):
        other.send(part)
        other.run("bronze.flight_updates", "silver.flight_status")
    assert len(other.rows("bronze.flight_updates")) > 1.5 * len(updates)
    log = read_log(other.context.lake.table("airlines.silver.flight_status"))
    assert log
    assert log.table.history(1)[0]["engineInfo"].startswith("delta-rs")  # Spark would take two seconds more
    after = other.rows("silver.flight_status")
    left, right = (rows.sort_values("flight_id", ignore_index=True) for rows in (before, after))
    pd.testing.assert_frame_equal(left, right)


def test_the_queries_of_the_docs_have_an_answer(hour: Lake) -> None:
    queries = [shlex.split(line)[2] for line in commands() if re.search("FROM gold.(live_board|aircraft_now)", line)]
    assert len(queries) == 2
    for query in queries:
        read = located(query, hour.context.lakehouse, hour.context.lake)
        assert answer(read, hour.context.session(), 5).num_rows == 5


def test_reports_are_there_once_each_and_the_newest_is_where_the_aircraft_is(
    hour: Lake, told: Sequence[Event], feed: Feed
) -> None:
    sent = pd.DataFrame([event.value for event in told if event.topic == simulation.POSITIONS])
    sent = sent.assign(reported_at=pd.to_datetime(sent["timestamp"], unit="ms", utc=True).dt.as_unit("us"))
    assert len(hour.rows("silver.tracks")) == len(sent.drop_duplicates(["registration", "reported_at"])) > 5_000
    newest = sent.sort_values("reported_at").groupby("registration").tail(1).set_index("registration")
    now = hour.rows("gold.aircraft_now").set_index("aircraft").loc[newest.index]
    assert now["reported_at"].equals(newest["reported_at"])
    airports = feed.airports.set_index("faa")
    away = distances(now, airports)
    to = pd.Series([away.at[aircraft, now.at[aircraft, "destination"]] for aircraft in now.index], now.index)
    assert now["destination_km"].tolist() == pytest.approx(to.tolist(), abs=1e-6)
    assert now["nearest_airport_km"].tolist() == pytest.approx(away.min(axis=1).tolist(), abs=1e-6)
    assert [away.at[a, now.at[a, "nearest_airport"]] for a in now.index] == pytest.approx(
        away.min(axis=1).tolist(), abs=1e-6
    )
    assert now["in_airport_zone"].equals(away.min(axis=1) <= 5)
    assert now.loc[now["on_ground"], "in_airport_zone"].all()
    assert 0 < now["in_airport_zone"].sum() < len(now)


def distances(here: Rows, there: Rows) -> Rows:
    """Kilometres along great circles, by the chords between points of a sphere: no haversine."""
    a = vectors(here["latitude"], here["longitude"])
    b = vectors(there["lat"], there["lon"])
    chords = np.linalg.norm(a[:, None, :] - b[None, :, :], axis=2)
    return pd.DataFrame(2 * EARTH_KM * np.arcsin(np.clip(chords / 2, 0, 1)), here.index, there.index)


def vectors(latitude: pd.Series, longitude: pd.Series) -> Any:
    north, east = np.radians(latitude.to_numpy()), np.radians(longitude.to_numpy())
    return np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1)


def test_real_aircraft_are_tracked_with_the_figures_that_are_known_of_them(
    new_lake: Callable[[int], Lake], shared_data: Path
) -> None:
    lake, folder = new_lake(1), shared_data / "airlines" / "adsb"
    paris = pd.read_json(folder / "collections__quickstart.json.gz", convert_dates=False)
    zurich = pd.read_json(folder / "onground__zurich_airport.json.gz", convert_dates=False)
    for reports in (paris, zurich):
        values = (line.encode() for line in reports.to_json(orient="records", lines=True).splitlines())
        lake.kafka.send(simulation.POSITIONS, values)
    lake.run("bronze.airports", "silver.airports", "bronze.positions", "silver.tracks", "gold.aircraft_now")
    assert len(lake.rows("bronze.positions")) == 284_505 + 17_132
    tracks = lake.rows("silver.tracks")
    of_paris = tracks["reported_at"].dt.year == 2021
    assert (tracks.loc[of_paris, "aircraft"].nunique(), tracks.loc[~of_paris, "aircraft"].nunique()) == (213, 10)
    # 463 are as high as no airliner flies; of 2,298 reports there is another of that aircraft and second.
    too_high = paris["altitude"] > 60_000
    assert len(lake.rejected("silver.tracks")) == too_high.sum() == 463
    assert (of_paris.sum(), (~of_paris).sum()) == (284_505 - 463, 17_132 - 2_298)
    now = lake.rows("gold.aircraft_now").set_index("aircraft")
    last = pd.concat([paris[~too_high], zurich]).groupby("icao24")["timestamp"].max()
    assert now["reported_at"].sort_index().tolist() == pd.to_datetime(last, unit="ms", utc=True).tolist()
    assert not now["in_airport_zone"].any()  # the reference has airports of the United States


def test_events_are_in_order_the_same_each_time_and_at_the_real_times(told: Sequence[Event], feed: Feed) -> None:
    assert list(told) == sorted(told, key=lambda event: event.at)
    assert list(takewhile(lambda event: event.at < END, simulation.events(START))) == list(told)
    assert all(event.at >= START for event in told if event.topic == simulation.POSITIONS)
    departed = [event for event in told if event.value.get("status") == "departed"]
    real = feed.flights.assign(at=feed.flights["scheduled"] + pd.to_timedelta(feed.flights["dep_delay"], unit="min"))
    known = {tuple(row) for row in real[["carrier", "flight", "origin", "scheduled", "at"]].itertuples(index=False)}
    for event in departed:
        assert (*(event.value[name] for name in ("carrier", "flight", "origin")), scheduled(event), event.at) in known
    assert len({event.key for event in departed}) == len(departed) > 50


def scheduled(event: Event) -> pd.Timestamp:
    return pd.Timestamp(str(event.value["scheduled_departure_at"]))


def test_each_flight_ends_as_it_did(feed: Feed) -> None:
    unknown = {"BQN", "PSE", "SJU", "STT"}  # whose time zones the reference has not
    real = feed.flights[feed.flights["date"] >= date(2013, 12, 1)]
    ends = (
        pd.Series("arrived", real.index).mask(real["diverted"], "diverted").mask(real["dest"].isin(unknown), "departed")
    )
    ends = ends.mask(real["cancelled"], "cancelled")
    told = [simulation.updates(flight) for flight in simulation.flights(date(2013, 12, 1))]
    assert Counter(updates[-1].value["status"] for updates in told) == ends.value_counts().to_dict()
    assert all(a.at < b.at for updates in told for a, b in pairwise(updates))


def test_disorder_is_bounded_and_by_its_seed(told: Sequence[Event]) -> None:
    timed = list(sent_in_disorder(told, seed=3))
    assert timed == list(sent_in_disorder(told, seed=3))
    assert timed != list(sent_in_disorder(told, seed=4))
    assert all(event.at <= due <= event.at + LATEST for due, event in timed)
    assert [due for due, _ in timed] == sorted(due for due, _ in timed)
    assert {id(event) for _, event in timed} == {id(event) for event in told}
    assert 1.03 < len(timed) / len(told) < 1.07


def test_an_aircraft_flies_from_its_origin_to_its_destination_without_a_jump(feed: Feed) -> None:
    flight = next(f for f in simulation.flights(START.date()) if f.row["dest"] == "LAX" and f.arrived)
    reports = pd.DataFrame([event.value for event in simulation.positions(flight, flight.scheduled)])
    airports = feed.airports.set_index("faa")
    away = distances(reports, airports.loc[[flight.row["origin"], "LAX"]])
    assert (away[flight.row["origin"]].iloc[0], away["LAX"].iloc[-1]) == pytest.approx((0, 0), abs=0.001)
    assert away["LAX"].is_monotonic_decreasing
    assert flight.route is not None
    steps = -away["LAX"].diff().dropna()
    assert steps.max() == pytest.approx(away["LAX"].iloc[0] / (flight.route.in_air / simulation.REPORT_EVERY), rel=1e-3)
