"""Windows, sessions, joins and dedup of streams: in whatever order events come, as computed over all of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyspark.errors import PySparkException

from lakehouse_assets.engine import windows
from lakehouse_assets.engine.modes.refresh.group_routes import find_routes
from lakehouse_assets.engine.query.expressions import first_by_name
from lakehouse_assets.engine.query.query_plan import analysed
from lakehouse_assets.testing import Event, Expected, arrivals
from lakehouse_assets_tests.project import Project

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXAMPLES = int(os.environ.get("SOAK_ROUNDS", "1"))
START = datetime(2026, 3, 1, tzinfo=UTC)
EVENTS = """
@table(raw="bronze.events", people=lookup("bronze.people"), write=merge(on="id", newest="seq"),
       columns=[Column("id", "int", key=True), Column("person", "int"), Column("at", "timestamp"),
                Column("seq", "int"), Column("town", "string")])
def {name}(raw: DataFrame, people: DataFrame) -> DataFrame:
    mine = raw.where("kind = '{name}'")
    typed = mine.selectExpr("int(id) id", "int(person) person", "timestamp(at) at", "int(seq) seq")
    return typed.join(people.selectExpr("int(person) person", "town"), "person", "left")
"""
TUMBLING = """
@table(clicks="silver.clicks", write=refresh(by=["town", "window_start"]),
       columns=[Column("town", "string"), Column("window_start", "timestamp"), Column("clicks", "bigint")])
def tumbling(clicks: DataFrame) -> DataFrame:
    return windows(clicks, "at", "5m").groupBy("town", "window_start").agg(F.count("*").alias("clicks"))
"""
IN_WINDOWS = """
@table(clicks="silver.clicks", write=refresh(by="id"),
       columns=[Column("id", "int", key=True), Column("person", "int"), Column("window_start", "timestamp", key=True)])
def in_windows(clicks: DataFrame) -> DataFrame:
    return windows(clicks, "at", "10m", every="5m").select("id", "person", "window_start")
"""
SLIDING = """
sliding = sql_table(
    clicks="silver.in_windows", write=refresh(by=["person", "window_start"]),
    columns=[Column("person", "int"), Column("window_start", "timestamp"), Column("clicks", "bigint")],
    sql="SELECT person, window_start, count(*) AS clicks FROM clicks GROUP BY person, window_start")
"""
SESSIONS = """
sessions = sql_table(
    clicks="silver.clicks", write=refresh(by="person"),
    columns=[Column("person", "int"), Column("began_at", "timestamp"), Column("ended_at", "timestamp"),
             Column("clicks", "bigint")],
    sql=\"\"\"SELECT person, min(at) AS began_at, max(at) AS ended_at, count(*) AS clicks
           FROM clicks GROUP BY person, session_window(at, '5 minutes')\"\"\")
"""
JOINED = """
joined = sql_table(
    clicks="silver.clicks", buys="silver.buys", write=refresh(by="person"),
    columns=[Column("person", "int"), Column("click", "int"), Column("buy", "int")],
    sql=\"\"\"SELECT c.person, c.id AS click, b.id AS buy FROM clicks c LEFT JOIN buys b
           ON b.person = c.person AND b.at BETWEEN c.at AND c.at + INTERVAL 10 MINUTES\"\"\")
"""
TABLES = {"silver.in_windows": IN_WINDOWS, "gold.tumbling": TUMBLING, "gold.sliding": SLIDING,
          "gold.sessions": SESSIONS, "gold.joined": JOINED}  # fmt: skip
PEOPLE = 40
TOWNS = {person: f"town {person % 7}" for person in range(PEOPLE)}
COLUMNS = ("id", "kind", "person", "at", "seq")
# Few people, minutes and ids, so that windows, sessions, ties and corrections meet.
MADE_UP = st.fixed_dictionaries({
    "id": st.integers(0, 30), "kind": st.sampled_from(["clicks", "clicks", "buys"]), "person": st.integers(0, 3),
    "at": st.integers(-60, 3_600).map(lambda second: START + timedelta(seconds=second // 30 * 30)),
    "seq": st.integers(0, 3),
})  # fmt: skip
LATEST = Expected(("kind", "id"), ("seq",), ("person", "at"))


@pytest.fixture
def feed(project: Project) -> Project:
    project.bronze("events")
    project.bronze("people")
    for name in ("clicks", "buys"):
        project.table(f"silver.{name}", EVENTS.format(name=name))
    for name, text in TABLES.items():
        project.table(name, text)
    project.land("people/1.csv", "person,town\n" + "".join(f"{p},{town}\n" for p, town in TOWNS.items()))
    project.run("bronze.people")
    return project


def deliver(feed: Project, number: int, events: Iterable[Event]) -> dict[str, str]:
    """Run all tables after the events; by which strategy the refreshed ones were."""
    lines = [",".join(str(e[c]) for c in COLUMNS) for e in events]
    feed.land(f"events/{number}.csv", "\n".join([",".join(COLUMNS), *lines]) + "\n")
    for name in ("bronze.events", "silver.clicks", "silver.buys"):
        feed.run(name)
    return {name: feed.run(name).plan.strategy for name in TABLES}


def windows_of(at: datetime, length: int, every: int) -> list[datetime]:
    """By looking at each window there could be."""
    first = START - timedelta(hours=2)
    starts = [first + timedelta(minutes=every * n) for n in range(24 * 60 * 31 // every)]
    return [start for start in starts if start <= at < start + timedelta(minutes=length)]


def sessions_of(times: list[datetime]) -> list[tuple[datetime, datetime, int]]:
    """Times in sessions that end when nothing came for more than five minutes."""
    found = list[list[datetime]]()
    for at in sorted(times):
        if found and at - found[-1][-1] <= timedelta(minutes=5):
            found[-1].append(at)
        else:
            found.append([at])
    return [(each[0], each[-1], len(each)) for each in found]


def computed(events: Iterable[Event]) -> dict[str, list[tuple[Any, ...]]]:
    """What each table should have, by plain Python over all events."""
    latest = LATEST.merged(events).values()
    clicks, buys = ([e for e in latest if e["kind"] == kind] for kind in ("clicks", "buys"))
    tumbling = Counter((TOWNS[c["person"]], w) for c in clicks for w in windows_of(c["at"], 5, 5))
    sliding = Counter((c["person"], w) for c in clicks for w in windows_of(c["at"], 10, 5))
    people = {c["person"] for c in clicks}
    joined = [(c, b) for c in clicks for b in buys
              if c["person"] == b["person"] and c["at"] <= b["at"] <= c["at"] + timedelta(minutes=10)]  # fmt: skip
    met = {c["id"] for c, _ in joined}
    return {
        "gold.tumbling": [(*group, n) for group, n in tumbling.items()],
        "gold.sliding": [(*group, n) for group, n in sliding.items()],
        "gold.sessions": [(p, *s) for p in people for s in sessions_of([c["at"] for c in clicks if c["person"] == p])],
        "gold.joined": [(c["person"], c["id"], b["id"]) for c, b in joined]
        + [(c["person"], c["id"], None) for c in clicks if c["id"] not in met],
    }


def check(feed: Project, events: Iterable[Event]) -> None:
    for name, wanted in computed(events).items():
        rows = feed.log(name).table.to_pyarrow_table().to_pylist()
        assert Counter(tuple(row.values()) for row in rows) == Counter(wanted), name


def test_windows_sessions_and_joins_are_those_of_all_events_in_any_order(feed: Project) -> None:
    """`make soak` has more examples of it."""
    others = [{"id": 100 + n, "kind": ("clicks", "buys")[n % 2], "person": 4 + n % 36,
               "at": START + timedelta(days=1, minutes=7 * n), "seq": 0} for n in range(400)]  # fmt: skip
    number, all_events, strategies = count(1), list[Event](others), Counter[str]()
    deliver(feed, 0, others)

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(arrivals(MADE_UP, batches=2, size=25).filter(lambda batches: len(batches[-1]) > 3))
    def example(batches: list[list[Event]]) -> None:
        mine = 1_000 * next(number)
        for batch in filter(None, batches):
            events = [{**e, "id": e["id"] + mine} for e in batch]
            strategies.update(deliver(feed, next(number), events).values())
            all_events.extend(events)
            check(feed, all_events)

    example()
    assert strategies["refresh"] >= 2 * EXAMPLES * len(TABLES) - 2
    assert set(strategies) <= {"refresh", "nothing", "full"}


def test_a_row_is_in_each_window_that_its_time_lies_in_and_without_a_time_in_none(spark: SparkSession) -> None:
    seconds = [0, 299, 300, 1_000, -1, None]
    rows = spark.createDataFrame([(second,) for second in seconds], "second int")
    timed = rows.selectExpr("second", "timestamp_seconds(second) AS at")
    for length, every in (("5m", ""), ("10m", "5m"), ("1h", "10m")):
        found = windows(timed, "at", length, every).selectExpr(
            "second", "unix_seconds(window_start) AS begin", "unix_seconds(window_end) AS end"
        )
        long, step = ({"5m": 300, "10m": 600, "1h": 3_600}[given] for given in (length, every or length))
        wanted = [(s, b, b + long) for s in seconds if s is not None
                  for b in range(-7_200, 7_200, step) if b <= s < b + long]  # fmt: skip
        assert sorted(map(tuple, found.collect()), key=repr) == sorted([*wanted, (None, None, None)], key=repr)


def test_a_session_is_not_followed_by_its_start_which_a_late_event_moves(spark: SparkSession) -> None:
    clicks = spark.createDataFrame([], "person int, at timestamp")
    clicks.createOrReplaceTempView("clicks")

    def analyse(_key: str, sql: str) -> str | None:
        try:
            tree = analysed(clicks.selectExpr(f"{sql} AS one"))
        except PySparkException:
            return None
        return first_by_name(tree) if tree else None

    for start in ("session_window.start", "min(at)"):
        query = f"SELECT person, {start} AS began_at FROM clicks GROUP BY person, session_window(at, '5 minutes')"
        plan = analysed(spark.sql(query))
        assert plan is not None
        for by, followed in ((["person", "began_at"], False), (["person"], True)):
            routes = find_routes(plan, by, ["clicks"], analyse)
            assert isinstance(routes["clicks"], tuple) == followed, routes


def test_windows_that_do_not_cover_each_time_as_often_are_refused(spark: SparkSession) -> None:
    rows = spark.range(1).selectExpr("current_timestamp() AS at")
    with pytest.raises(ValueError, match="use a divisor"):
        windows(rows, "at", "10m", every="4m")
    with pytest.raises(ValueError, match="is no time"):
        windows(rows, "at", "ten minutes")
