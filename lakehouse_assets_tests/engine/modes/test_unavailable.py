"""A value that a change doesn't tell stays what it was, in whatever order the changes arrive."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from lakehouse_assets.engine.run.reporting import check_reports
from lakehouse_assets.engine.run.verify import verify
from lakehouse_assets.testing import Event, Expected, deliveries
from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import SOAKING, some

KEYS = 600 if SOAKING else 200
PLACEHOLDER = "__debezium_unavailable_value"
TABLE = """
@table(raw="bronze.feed", columns=[Column("id", "int", key=True), Column("name", "string"), Column("doc", "string"),
                                   Column("price", "decimal(9,2)")],
       expect={expect}, write={mode}(on="id", newest=["_changed_at", "_position"], delete_when="_deleted"))
def {name}(raw: DataFrame) -> DataFrame:
    rows = debezium(raw, ["id", "name", "doc", "price"], key="id")
    return rows.withColumns({{"id": F.expr("int(id)"), "price": F.expr("try_cast(price AS decimal(9,2))")}})
"""
# The same from events that are told plainly, which takes Spark less time to plan.
PLAINLY = TABLE.replace(
    'debezium(raw, ["id", "name", "doc", "price"], key="id")',
    """raw.select(
        "id", "name", "doc", "price", F.expr("op = 'd' AS _deleted"),
        F.expr("timestamp_seconds(bigint(at)) AS _changed_at"),
        F.expr("array(CAST(place AS decimal(38,0))) AS _position"),
        F.expr("split(untold, ' ') AS _unavailable"))""",
)
COLUMNS = ("id", "name", "doc", "price", "_unavailable")
ENGINE = "lakehouse_assets.engine"
VALIDITY = ("valid_from", "valid_to", "is_current")
EXPECTED = Expected(["id"], ["at", "_position"], ["name", "doc", "price"], lambda e: e["op"] == "d")


def declare(project: Project, table: str, expect: str = "[]") -> None:
    for mode, name in (("merge", "current"), ("history", "versions")):
        project.table(f"silver.{name}", table.format(mode=mode, name=name, expect=expect))


@pytest.fixture
def feed(project: Project) -> Project:
    project.bronze("feed", 'format="jsonl"')
    declare(project, TABLE)
    return project


def event(op: str, key: int, lsn: int, untold: tuple[str, ...] = (), **values: str | None) -> Event:
    """A change at a place in the log; what it doesn't tell is null."""
    told = {"name": "n", "doc": "d", "price": "1.00", **values} | dict.fromkeys(untold)
    return {"op": op, "id": key, "at": lsn // 3, "_position": lsn, **told, "_unavailable": list(untold) or None}


def message(event: Event, placeholder: Any = PLACEHOLDER) -> str:
    image = {c: event[c] for c in ("id", "name", "doc", "price")}
    image |= dict.fromkeys(event["_unavailable"] or (), placeholder)
    old, new = (image, None) if event["op"] == "d" else (None, image)
    source = {"ts_ms": 1000 * event["at"], "lsn": event["_position"]}
    return json.dumps({"op": event["op"], "before": old, "after": new, "source": source})


def plainly(event: Event) -> str:
    told = {name: value for name, value in event.items() if not name.startswith("_")}
    return json.dumps({**told, "place": event["_position"], "untold": " ".join(event["_unavailable"] or ()) or None})


def land(feed: Project, number: int, events: list[Event], form: Callable[[Event], str] = message) -> None:
    feed.land(f"feed/{number}.jsonl", "".join(form(e) + "\n" for e in events))
    feed.run("bronze.feed")


def deliver(feed: Project, number: int, events: list[Event], form: Callable[[Event], str] = message) -> None:
    land(feed, number, events, form)
    for name in ("silver.current", "silver.versions"):
        feed.run(name)


def plain(value: Any) -> Any:
    """A value that can be compared: lists sorted, times as seconds, decimals as text."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return sorted(value)
    if hasattr(value, "timestamp"):
        return round(value.timestamp())
    return str(value) if isinstance(value, Decimal) else value


def stored(feed: Project, name: str, *columns: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(map(plain, row)) for row in feed.rows(name, *columns)), key=repr)


def wanted(rows: Any, *columns: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(plain(row[c]) for c in columns) for row in rows), key=repr)


def check(feed: Project, events: list[Event]) -> None:
    assert stored(feed, "silver.current", *COLUMNS) == wanted(EXPECTED.merged(events).values(), *COLUMNS)
    columns = (*COLUMNS, *VALIDITY)
    assert stored(feed, "silver.versions", *columns) == wanted(EXPECTED.versions(events), *columns)


def lives(random: Random, keys: int) -> list[Event]:
    """Changes of many keys, of which a third leaves values untold: often before any that tells them, or after a
    deletion.
    """
    found, places = list[Event](), iter(random.sample(range(10_000), 9 * keys))
    for key in range(keys):
        for _ in range(random.randrange(9)):
            untold = random.choice([(), (), (), ("doc",), ("doc", "price"), ("price",)])
            op = random.choice("uuuuud")
            values = {"name": random.choice("ab"), "doc": random.choice(["x", "y", None]), "price": "2.50"}
            found.append(event(op, key, next(places), () if op == "d" else untold, **values))
    return found


def test_random_lives_keep_what_was_there_whatever_arrives_when(feed: Project) -> None:
    """After each batch the tables are what the plain model makes of all events in order; verify and a rebuild agree."""
    declare(feed, PLAINLY)
    random, arrived = Random(3), list[Event]()
    for number, batch in enumerate(deliveries(lives(random, KEYS), 3, random)):
        deliver(feed, number, batch, plainly)
        arrived += batch
        check(feed, arrived)
    assert any(e["_unavailable"] for e in EXPECTED.merged(arrived).values())
    for name in ("current", "versions"):
        env = feed.context()
        assert not verify(env.lakehouse.tables[f"shop.silver.{name}"], env, sample=KEYS).differing
        feed.run(f"silver.{name}", full=True)
    check(feed, arrived)
    more = [event("u", key, 20_000 + key, ("doc",), name="late") for key in range(KEYS)]
    deliver(feed, 9, more, plainly)
    check(feed, arrived + more)


def test_few_changes_are_written_by_delta_rs_until_one_leaves_a_value_untold(feed: Project) -> None:
    declare(feed, PLAINLY)
    told = list[Event]()
    batches: list[tuple[list[Event], str]] = [
        ([event("c", 1, 10), event("c", 2, 11)], "Apache-Spark"),  # which makes the table
        ([event("u", 1, 20, name="b"), event("u", 2, 5), event("d", 3, 21)], "delta-rs"),
        ([event("u", 1, 15), event("u", 3, 20), event("c", 3, 30, doc=None)], "delta-rs"),
        ([event("u", 1, 40, ("doc",), name="c")], "Apache-Spark"),
        ([event("u", 2, 50, name="d"), event("d", 1, 51)], "Apache-Spark"),  # as the events are remembered now
    ]
    for number, (batch, writer) in enumerate(batches):
        land(feed, number, batch, plainly)
        feed.run("silver.current")
        told += batch
        assert stored(feed, "silver.current", *COLUMNS) == wanted(EXPECTED.merged(told).values(), *COLUMNS)
        assert str(feed.log("silver.current").table.history(1)[0]["engineInfo"]).startswith(writer)


@pytest.mark.parametrize("where", some(["after modes.scd1:merge", "before lake.state:write_state"], 1))
def test_a_run_that_dies_is_completed_with_the_row_that_was_stored_before_it(feed: Project, where: str) -> None:
    """The row of place 10 is known only from the table that the dead run has changed already."""
    declare(feed, PLAINLY)
    stored_before = [event("c", 1, 10, doc="ten"), event("c", 2, 10, doc="two"), event("d", 3, 30)]
    deliver(feed, 1, stored_before, plainly)
    dying = [event("u", 1, 20, ("doc",), name="b"), event("u", 2, 5, ("doc",)), event("u", 3, 40, ("doc",))]
    land(feed, 2, dying, plainly)
    moment, function = where.split(" ")
    assert run_and_die(feed, "silver.current", f"{moment} {ENGINE}.{function}") == -9
    late = [event("u", 1, 15, ("price",), doc="late"), event("u", 3, 35, doc="after"), event("u", 3, 20, doc="before")]
    deliver(feed, 3, late, plainly)
    check(feed, stored_before + dying + late)
    deliver(feed, 4, last := [event("u", 1, 12, doc="later"), event("u", 2, 7), event("d", 3, 36)], plainly)
    check(feed, stored_before + dying + late + last)


def test_a_replay_that_dies_is_completed_with_the_row_that_was_stored_before_it(feed: Project) -> None:
    declare(feed, PLAINLY, "[drop(\"name <> 'late'\")]")
    first = [event("c", 1, 10, doc="ten"), event("u", 1, 20, ("doc",), name="late")]
    deliver(feed, 1, first, plainly)
    declare(feed, PLAINLY)
    assert run_and_die(feed, "silver.current", f"before {ENGINE}.lake.state:write_state", "replay") == -9
    feed.replay("silver.versions")
    deliver(feed, 2, more := [event("u", 1, 15, ("price",), doc="between")], plainly)
    check(feed, first + more)


@pytest.mark.parametrize("newest", some(['"_changed_at"', '["_changed_at", "_position"]'], 1))
def test_what_was_there_is_kept_by_time_as_by_place(feed: Project, newest: str) -> None:
    declare(feed, PLAINLY.replace('["_changed_at", "_position"]', newest))
    deliver(feed, 1, last := [event("u", 1, 90, ("doc",), name="last")], plainly)
    deliver(feed, 2, first := [event("c", 1, 30, doc="first"), event("u", 1, 60, ("price",), doc="second")], plainly)
    check(feed, last + first)


def test_a_rule_does_not_judge_a_value_that_is_not_told_and_judges_all_others(feed: Project) -> None:
    rules = '[drop("length(doc) > 0"), drop("name <> \'bad\'"), fail("price > 0"), warn("doc <> name")]'
    declare(feed, TABLE, rules)
    good = [event("c", 1, 1), event("u", 1, 2, ("doc", "price"), name="x")]
    deliver(feed, 1, [*good, event("u", 1, 3, ("doc",), name="bad"), event("u", 1, 4, doc="")])
    check(feed, good)
    for name in ("current", "versions"):
        assert sorted(feed.rejected(f"silver.{name}", "broken")) == [(["length_doc_gt_0"],), (["name_ne_bad"],)]


def test_a_table_that_was_made_without_places_takes_them_in(feed: Project) -> None:
    declared = TABLE.format(mode="merge", name="current", expect="[]")
    timed = declared.replace(', "_position"]', "]").replace("return rows", 'return rows.drop("_unavailable")')
    feed.table("silver.current", timed)
    land(feed, 1, [event("c", 1, 30, doc="there"), event("c", 2, 30)])
    feed.run("silver.current")
    feed.table("silver.current", declared)
    env = feed.context()
    assert all(result.passed for result in check_reports(env.lakehouse.tables["shop.silver.current"], env))
    land(feed, 2, [event("u", 1, 60, ("doc",), name="new"), event("u", 2, 60)])
    feed.run("silver.current")
    assert feed.rows("silver.current", "id", "name", "doc") == [(1, "new", "there"), (2, "n", "d")]


def test_a_value_that_no_change_told_is_null_and_a_check_names_the_row(feed: Project) -> None:
    deliver(feed, 1, [event("u", 1, 5, ("doc",)), event("c", 2, 5)])
    env = feed.context()
    table = env.lakehouse.tables["shop.silver.current"]
    found = {result.name: result for result in check_reports(table, env)}["values_available"]
    assert (found.passed, found.violations) == (False, 1)
    # The way on: the connector reads the table once more, as of an earlier place.
    deliver(feed, 2, [event("r", 1, 4)])
    assert feed.rows("silver.current", "id", "doc", "_unavailable") == [(1, "d", None), (2, "d", None)]
    assert all(result.passed for result in check_reports(table, env))


def test_a_value_that_the_table_calls_otherwise_is_rejected_because_it_could_not_be_kept(feed: Project) -> None:
    renamed = TABLE.format(mode="merge", name="current", expect="[]").replace('"doc", "string"', '"body", "string"')
    feed.table(
        "silver.current",
        renamed.replace("return rows", 'rows = rows.withColumnRenamed("doc", "body")\n    return rows'),
    )
    land(feed, 1, [event("c", 1, 1, doc="there"), event("u", 1, 2, ("doc",))])
    feed.run("silver.current")
    assert feed.rows("silver.current", "id", "body") == [(1, "there")]
    assert feed.rejected("silver.current", "broken") == [(["unavailable_kept"],)]
    feed.table("silver.current", TABLE.format(mode="merge", name="current", expect="[]"))
    feed.run("silver.current", full=True)
    assert stored(feed, "silver.current", *COLUMNS) == [(1, "n", "there", "1.00", None)]
    assert feed.rejected("silver.current") == []


@pytest.mark.parametrize(("form", "own"), [("text", "not here"), ("base64", ""), ("hexadecimal", "not here"),
                                           ("list", ""), ("map", "")])  # fmt: skip
def test_a_placeholder_is_known_in_every_form_that_connectors_give_it(feed: Project, form: str, own: str) -> None:
    text = own or PLACEHOLDER
    placeholder = {"text": text, "base64": base64.b64encode(text.encode()).decode(), "list": [text],
                   "hexadecimal": text.encode().hex(), "map": {text: text}}[form]  # fmt: skip
    declared = TABLE.format(mode="merge", name="current", expect="[]")
    feed.table("silver.current", declared.replace('key="id")', f'key="id", unavailable={text!r})'))
    told, untold = event("c", 1, 1, doc="there"), event("u", 1, 2, ("doc",), name="new")
    feed.land("feed/1.jsonl", message(told) + "\n" + message(untold, placeholder))
    for name in ("bronze.feed", "silver.current"):
        feed.run(name)
    assert feed.rows("silver.current", "id", "name", "doc") == [(1, "new", "there")]


def test_a_row_that_gets_another_key_takes_along_what_is_told_and_names_the_rest(feed: Project) -> None:
    first, old = event("c", 1, 1, doc="there"), json.dumps({"id": 1})
    moved = message(event("u", 2, 2, ("doc",))).replace('"before": null', f'"before": {old}')
    feed.land("feed/1.jsonl", f"{message(first)}\n{moved}")
    for name in ("bronze.feed", "silver.current"):
        feed.run(name)
    assert feed.rows("silver.current", "id", "name", "doc", "_unavailable") == [(2, "n", None, ["doc"])]
