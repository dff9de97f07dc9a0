"""Change data: in whatever order events arrive, a table is what sorted events would have made of it."""

from __future__ import annotations

import shutil
from itertools import count, permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_assets.engine.run.reporting import check_reports
from lakehouse_assets.engine.run.verify import Balance, Verified, reconcile, verify
from lakehouse_assets.testing import Event, Expected, arrivals, deliveries
from lakehouse_assets_tests.crash import assert_at_once, run_and_die
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

ENGINE = "lakehouse_assets.engine"
COLUMNS = ("id", "part", "at", "seq", "name", "note", "op")
DECLARED = """
    columns=[Column("id", "int", nullable=False), Column("part", "string"), Column("at", "int"), Column("seq", "int"),
             Column("name", "string"), Column("note", "string"), Column("op", "string")],
"""
SELECT = """
    numbers = [F.expr(f"int({c}) {c}") for c in ("id", "at", "seq")]
    return raw.select(*numbers, "part", "name", "note", "op", "_source")
"""
CURRENT = f"""
@table(raw="bronze.events", {DECLARED}
       write=merge(on=["id", "part"], newest=["at", "seq"], delete_when="op = 'delete'"))
def current(raw: DataFrame) -> DataFrame: {SELECT}
"""
NAMED = CURRENT.replace('"name", "string"', '"name", "string", nullable=False')
VERSIONS = f"""
@table(raw="bronze.events", {DECLARED}
       write=history(on=["id", "part"], newest=["at", "seq"], delete_when="op = 'delete'", track=["name"]))
def versions(raw: DataFrame) -> DataFrame: {SELECT}
"""
EXPECTED = Expected(("id", "part"), ("at", "seq"), ("name", "note", "op"), lambda e: e["op"] == "delete")
VALIDITY = ("valid_from", "valid_to", "is_current")


@pytest.fixture
def feed(project: Project) -> Project:
    project.bronze("events")
    project.table("silver.current", CURRENT)
    project.table("silver.versions", VERSIONS)
    return project


def event(key: int, at: int, name: str | None, op: str = "upsert", part: str | None = "a", seq: int = 0) -> Event:
    note = f"n{seq}" if name else None
    return dict(zip(COLUMNS, (key, part, at, seq, name, note, op), strict=True))


def deliver(feed: Project, number: int, events: list[Event]) -> None:
    lines = [",".join("" if e[c] is None else str(e[c]) for c in COLUMNS) for e in events]
    feed.land(f"events/{number}.csv", "\n".join([",".join(COLUMNS), *lines]) + "\n")
    feed.run("bronze.events")


def run(feed: Project) -> None:
    feed.run("silver.current")
    feed.run("silver.versions")


def rows(events: list[dict[str, Any]] | list[Event], *columns: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(e[c] for c in columns) for e in events), key=repr)


def check(feed: Project, events: list[Event]) -> None:
    wanted = rows(list(EXPECTED.merged(events).values()), *COLUMNS)
    assert feed.rows("silver.current", *COLUMNS) == wanted
    columns = (*COLUMNS, *VALIDITY)
    assert feed.rows("silver.versions", *columns) == rows(EXPECTED.versions(events, ["name"]), *columns)


def test_480_keys_in_all_24_orders_of_arrival_come_out_sorted(feed: Project) -> None:
    """And 480 more each that are deleted by their third event, and by their fourth."""
    deaths = [0] * 480 + [3] * 480 + [4] * 480
    lives = [
        [event(key, at, f"v{at}", "delete" if at == death else "upsert") for at in (1, 2, 3, 4)]
        for key, death in enumerate(deaths)
    ]
    orders = list(permutations(range(4)))
    for turn in range(4):
        deliver(feed, turn, [life[orders[key % 24][turn]] for key, life in enumerate(lives)])
        run(feed)
    check(feed, [e for life in lives for e in life])
    assert len(feed.rows("silver.versions")) == 480 * 4 + 480 * 3 + 480 * 3


def some_lives(random: Random, keys: int) -> list[Event]:
    """Events of many keys, with few instants and few values, so that ties, repeats and deletions meet often."""
    lives = []
    for key in range(keys):
        part = random.choice(["a", "b", None])
        for _ in range(random.randrange(7)):
            name, op = random.choice(["x", "y", None]), random.choice(["upsert", "upsert", "delete"])
            lives.append(event(key // 2, random.randrange(5), name, op, part, random.randrange(3)))
    return lives


def test_1800_random_lives_split_repeated_and_shuffled_come_out_sorted_after_each_batch(feed: Project) -> None:
    random, arrived = Random(0), list[Event]()
    for number, batch in enumerate(deliveries(some_lives(random, 1800), 4, random)):
        deliver(feed, number, batch)
        run(feed)
        arrived += batch
        check(feed, arrived)


EVENTS = st.builds(
    event,
    st.integers(0, 9),
    st.integers(0, 4),
    st.sampled_from(["x", "y", None]),
    st.sampled_from(["upsert", "upsert", "delete"]),
    st.sampled_from(["a", None]),
    st.integers(0, 2),
)


def test_whatever_hypothesis_delivers_comes_out_sorted(feed: Project) -> None:
    """Each example has keys of its own, in the same tables; one that fails is told as small as it can be."""
    all_events, number = [event(-1, 0, "first")], count()
    deliver(feed, next(number), all_events)
    run(feed)

    @settings(max_examples=5, deadline=None, derandomize=True, database=None)
    @given(arrivals(EVENTS, batches=2))
    def example(batches: list[list[Event]]) -> None:
        mine = 100 * next(number)
        for batch in filter(None, batches):
            events = [{**e, "id": e["id"] + mine} for e in batch]
            deliver(feed, next(number), events)
            run(feed)
            all_events.extend(events)
        check(feed, all_events)

    example()


def test_a_full_refresh_comes_out_as_the_increments_did(feed: Project) -> None:
    random = Random(7)
    lives = some_lives(random, 100)
    for number, batch in enumerate(deliveries(lives, 2, random)):
        deliver(feed, number, batch)
        run(feed)
    feed.run("silver.current", full=True)
    feed.run("silver.versions", full=True)
    check(feed, lives)
    deliver(feed, 9, late := [event(k, 0, "x", part=p) for k in range(50) for p in ("a", "b", None)])
    run(feed)
    check(feed, [*lives, *late])


def test_an_event_that_says_what_is_known_rewrites_nothing(feed: Project) -> None:
    deliver(feed, 1, [event(1, 1, "x"), event(2, 1, "y")])
    run(feed)
    deliver(feed, 2, [event(1, 1, "x"), event(2, 1, "y")])
    run(feed)
    for name in ("silver.current", "silver.versions"):
        newest = feed.log(name).commits[0]
        assert (newest.run is not None, newest.rows, newest.changes_data) == (True, 0, False)


def test_a_column_declared_later_is_null_in_older_rows_and_comes_with_newer_ones(feed: Project) -> None:
    deliver(feed, 1, [event(1, 1, "x"), event(2, 1, "y")])
    run(feed)
    for name, text in (("silver.current", CURRENT), ("silver.versions", VERSIONS)):
        more = text.replace('Column("op", "string")]', 'Column("op", "string"), Column("loud", "string")]')
        feed.table(name, more.replace('"op", "_source")', '"op", F.upper("name").alias("loud"), "_source")'))
    deliver(feed, 2, [event(2, 2, "z"), event(3, 1, "w")])
    run(feed)
    assert feed.rows("silver.current", "id", "loud") == [(1, None), (2, "Z"), (3, "W")]
    assert feed.rows("silver.versions", "id", "at", "loud") == [(1, 1, None), (2, 1, None), (2, 2, "Z"), (3, 1, "W")]


def test_a_deletion_needs_no_more_than_its_key(feed: Project) -> None:
    feed.table("silver.current", NAMED)
    deliver(feed, 1, [event(1, 1, "x"), event(2, 1, None)])
    deliver(feed, 2, [event(1, 2, None, "delete")])
    feed.run("silver.current")
    assert feed.rows("silver.current") == []
    assert len(feed.rejected("silver.current")) == 1


BOUNDARIES = {
    "silver.current": [
        "before modes.scd1:merge",
        "after modes.scd1:merge",
        "after lake.small_writes:merge",
        "before lake.state:write_state",
        "after lake.state:write_state",
    ],
    "silver.versions": [
        "before modes.scd2:merge",
        "after modes.scd2:merge",
        "before lake.state:write_state",
        "after lake.state:write_state",
    ],
}


@pytest.mark.parametrize(("name", "where"), some([(n, w) for n, places in BOUNDARIES.items() for w in places], 4))
def test_changes_killed_at_a_boundary_are_right_after_the_next_run(feed: Project, name: str, where: str) -> None:
    first, second = [event(1, 2, "x"), event(2, 1, "y")], [event(1, 5, None, "delete"), event(2, 3, "z")]
    third = [event(1, 4, "late"), event(2, 2, "late"), event(3, 1, "new")]
    deliver(feed, 1, first)
    run(feed)
    if "scd1" in where:
        feed.leave_to_spark(name)
    deliver(feed, 2, second)
    moment, function = where.split(" ")
    assert run_and_die(feed, name, f"{moment} {ENGINE}.{function}") == -9
    deliver(feed, 3, third)
    run(feed)
    check(feed, first + second + third)


@pytest.mark.parametrize(
    ("name", "where"),
    some(
        [
            ("silver.current", "before lake.state:write_state"),
            ("silver.current", "after lake.delta_write:overwrite"),
            ("silver.versions", "before lake.state:write_state"),
            ("silver.versions", "after lake.delta_write:overwrite"),
        ],
        2,
    ),
)
def test_a_full_refresh_killed_half_way_is_completed_by_the_next_run(feed: Project, name: str, where: str) -> None:
    early = [event(1, 2, "x"), event(1, 5, None, "delete"), event(2, 3, "z")]
    deliver(feed, 1, early)
    run(feed)
    moment, function = where.split(" ")
    assert run_and_die(feed, name, f"{moment} {ENGINE}.{function}", "full") == -9
    late = [event(1, 4, "late"), event(2, 2, "late")]
    deliver(feed, 2, late)
    run(feed)
    check(feed, early + late)


@pytest.mark.parametrize("name", ["silver.current", "silver.versions"])
def test_two_runs_at_once_come_out_as_one(feed: Project, name: str) -> None:
    first, second = [event(1, 2, "x"), event(2, 1, "y")], [event(1, 5, None, "delete"), event(2, 3, "z")]
    deliver(feed, 1, first)
    run(feed)
    deliver(feed, 2, second)
    assert_at_once(feed, name)
    deliver(feed, 3, third := [event(1, 4, "late"), event(2, 2, "late")])
    run(feed)
    check(feed, first + second + third)


def test_verify_adds_up_what_became_of_the_rows_and_finds_keys_that_are_stored_otherwise(feed: Project) -> None:
    feed.table("silver.current", NAMED)
    first = [event(1, 1, "x"), event(2, 1, "y"), event(3, 1, None), event(4, 1, "z")]
    second = [event(1, 2, "w"), event(1, 2, "w"), event(2, 2, None, "delete"), event(5, 1, "v")]
    for number, batch in enumerate((first, second)):
        deliver(feed, number, batch)
        run(feed)
    env = feed.context()
    current, versions = (env.lakehouse.tables[f"shop.silver.{name}"] for name in ("current", "versions"))
    # Superseded: a row that is older, one told twice, one that deletes and the one it deletes.
    assert reconcile(current, env) == Balance(made=8, stored=3, waiting=1, superseded=4)
    assert reconcile(versions, env) == Balance(made=8, stored=6, waiting=0, superseded=2)
    assert (verify(current, env), verify(versions, env)) == (Verified(3, []), Verified(5, []))
    path = feed.lake.table(current.key).path
    for change in (f"UPDATE delta.`{path}` SET name = 'u' WHERE id = 5", f"DELETE FROM delta.`{path}` WHERE id = 4"):
        env.session().sql(change)
    assert sorted(key["id"] for key in verify(current, env).differing) == [4, 5]
    assert not reconcile(current, env).adds_up


def test_a_key_has_many_versions_but_one_at_a_time(feed: Project) -> None:
    by_id = VERSIONS.replace('"int", nullable=False', '"int", key=True').replace('["id", "part"]', '"id"')
    feed.table("silver.versions", by_id)
    deliver(feed, 1, [event(1, 1, "x"), event(1, 2, "y"), event(2, 1, "x")])
    feed.run("silver.versions")
    env = feed.context()
    table = env.lakehouse.tables["shop.silver.versions"]
    (unique,) = check_reports(table, env)
    assert (unique.name, unique.passed) == ("unique_key", True)
    repeated = env.session().read.format("delta").load(env.lake.table(table.key).path)
    repeated.write.format("delta").mode("append").save(env.lake.table(table.key).path)
    (unique,) = check_reports(table, env)
    assert not unique.passed


def test_a_table_whose_state_is_gone_is_rebuilt_and_says_so(feed: Project) -> None:
    events = [[event(1, 2, "x")], [event(1, 5, None, "delete"), event(2, 1, "y")], [event(2, 4, None, "delete")]]
    for number, batch in enumerate(events):
        deliver(feed, number, batch)
        run(feed)
    shutil.rmtree(feed.root / "lake" / "shop" / "memory")
    late = [event(1, 4, "late"), event(2, 3, "late")]
    deliver(feed, 9, late)
    for name in ("silver.current", "silver.versions"):
        assert feed.run(name).plan.reason == "what it remembered of events and deletions is gone"
    check(feed, [*(e for batch in events for e in batch), *late])
    assert feed.plan("silver.current").strategy == "nothing"


def test_a_table_that_was_dropped_is_built_again_with_quarantine_and_state(feed: Project) -> None:
    feed.table("silver.current", NAMED)
    for number in (1, 2):
        deliver(feed, number, [event(number, 1, None), event(9, number, None, "delete")])
        feed.run("silver.current")
    shutil.rmtree(feed.root / "lake" / "shop" / "silver" / "current")
    deliver(feed, 3, [event(3, 1, None), event(8, 5, None, "delete")])
    feed.run("silver.current")
    assert len(feed.rejected("silver.current")) == 3
    deliver(feed, 4, [event(8, 4, "late"), event(9, 1, "late"), event(7, 1, "x")])
    feed.run("silver.current")
    assert feed.rows("silver.current", "id") == [(7,)]
