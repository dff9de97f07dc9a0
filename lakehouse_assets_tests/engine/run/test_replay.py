"""Replay: rejected rows that pass mended rules come into the table as if they had never been rejected."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.testing import Event, Expected, deliveries
from lakehouse_assets_tests.crash import assert_at_once, run_and_die
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

ENGINE = "lakehouse_assets.engine"
SILVER = """
@table(raw="bronze.orders", write={write}, expect=[{expect}],
       columns=[Column("id", "int", nullable=False), Column("at", "int"), Column("amount", "int"),
                Column("op", "string")])
def {name}(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "int(at) at", "int(amount) amount", "op", "_source")
"""
MODES = {
    "append": "append()",
    "merge": """merge(on="id", newest="at", delete_when="op = 'delete'")""",
    "history": """history(on="id", newest="at", delete_when="op = 'delete'")""",
}
STRICT, MENDED = 'drop("amount < 50")', 'drop("amount < 90"), warn("amount > 5")'
EXPECTED = Expected(("id",), ("at",), ("amount", "op"), lambda e: e["op"] == "delete")
COLUMNS = ("id", "at", "amount", "op")
# The columns to compare a table by; a history's with its validity.
STORED = {"append": COLUMNS, "merge": COLUMNS, "history": (*COLUMNS, "valid_from", "valid_to", "is_current")}


def declare(shop: Project, mode: str, expect: str = STRICT, name: str = "orders") -> None:
    shop.table(f"silver.{name}", SILVER.format(write=MODES[mode], expect=expect, name=name))


@pytest.fixture
def shop(project: Project) -> Project:
    project.bronze("orders")
    return project


def deliver(shop: Project, number: int, *lines: str) -> None:
    shop.land(f"orders/{number}.csv", "\n".join(["id,at,amount,op", *lines]) + "\n")
    shop.run("bronze.orders")


def test_replayed_rows_find_their_place_as_if_the_rule_had_always_been_the_mended_one(shop: Project) -> None:
    random, arrived = Random(3), list[Event]()
    events = [
        dict(zip(COLUMNS, (k, at, random.randrange(100), random.choice(["upsert", "upsert", "delete"])), strict=True))
        for k in range(60) for at in random.sample(range(9), random.randrange(1, 6))
    ]  # fmt: skip
    for mode in MODES:
        declare(shop, mode, name=mode)
    for number, batch in enumerate(deliveries(events, 2, random)):
        deliver(shop, number, *(",".join(map(str, e.values())) for e in batch))
        arrived += batch
        for mode in MODES:
            shop.run(f"silver.{mode}")
    for mode in MODES:
        good = [e for e in arrived if e["amount"] < 90 or (mode != "append" and e["op"] == "delete")]
        before, left = len(shop.rejected(f"silver.{mode}")), len(arrived) - len(good)
        declare(shop, mode, MENDED, name=mode)
        outcome = shop.replay(f"silver.{mode}")
        assert (outcome.counts.judged, outcome.counts.rejected) == (before, left)
        assert stored(shop, mode, mode) == wanted(mode, good)
        assert (before > left > 0, shop.run(f"silver.{mode}").plan.strategy) == (True, "nothing")


def stored(shop: Project, mode: str, name: str = "orders") -> list[tuple[Any, ...]]:
    return shop.rows(f"silver.{name}", *STORED[mode])


def wanted(mode: str, events: list[Event]) -> list[tuple[Any, ...]]:
    """What the events make of a table, by plain Python."""
    rows: list[Any] = events
    if mode != "append":
        rows = EXPECTED.versions(events) if mode == "history" else list(EXPECTED.merged(events).values())
    return sorted((tuple(e[c] for c in STORED[mode]) for e in rows), key=repr)


def test_every_verdict_on_a_row_is_kept(shop: Project) -> None:
    declare(shop, "merge")
    deliver(shop, 1, "1,1,60,upsert", "2,1,95,upsert", "3,1,3,upsert")
    shop.run("silver.orders")
    strict = shop.lakehouse.tables["shop.silver.orders"].expectations_version
    for _ in range(2):  # the second finds nothing to say
        declare(shop, "merge", MENDED)
        shop.replay("silver.orders")
    mended = shop.lakehouse.tables["shop.silver.orders"].expectations_version
    declare(shop, "merge", 'drop("amount < 96")')
    shop.replay("silver.orders")
    last = shop.lakehouse.tables["shop.silver.orders"].expectations_version
    verdicts = shop.rejected("silver.orders", "row", "broken", "accepted", "rules", "run", "replay")
    found = {(re.search(r'"id":(\d)', row)[1], tuple(broken), *rest) for row, broken, *rest in verdicts}  # type: ignore[index]
    assert found == {
        ("1", ("amount_lt_50",), False, strict, 1, None),
        ("1", (), True, mended, 1, 1),
        ("2", ("amount_lt_50",), False, strict, 1, None),
        ("2", ("amount_lt_90",), False, mended, 1, 1),
        ("2", (), True, last, 1, 3),
    }
    assert len({i for (i,) in shop.rejected("silver.orders", "id")}) == 2
    assert shop.replay("silver.orders").plan.reason == "no row is in quarantine"


def test_a_replay_that_no_row_passes_leaves_the_table_alone_and_keeps_the_verdicts(shop: Project) -> None:
    declare(shop, "merge")
    deliver(shop, 1, "1,1,60,upsert", "2,1,5,upsert")
    shop.run("silver.orders")
    declare(shop, "merge", 'drop("amount < 55")')
    outcome = shop.replay("silver.orders")
    assert (outcome.plan.strategy, outcome.plan.reason) == ("nothing", "1 rows in quarantine, none of which passes")
    assert shop.log("silver.orders").version == 0
    assert [list(b) for b, r in shop.rejected("silver.orders", "broken", "replay") if r] == [["amount_lt_55"]]
    declare(shop, "merge", MENDED)
    assert shop.replay("silver.orders").plan.strategy == "replay"
    assert shop.rows("silver.orders", "id") == [(1,), (2,)]


# A type, and a value of it that JSON has no word for, or that Spark would shorten.
VALUES = {
    "date": "date'0001-02-03'",
    "timestamp": "timestamp'2024-03-31T01:02:03.123456Z'",
    "timestamp_ntz": "timestamp_ntz'1583-01-01 00:00:00.000001'",
    "decimal(38,18)": "cast('12345678901234567890.123456789012345678' AS decimal(38,18))",
    "double": "if(id = '2', double('NaN'), 0.1 + double(0.2))",
    "binary": "x'00ff10'",
    "array<string>": "array('it''s', null, 'é')",
    "struct<a:int,b:array<struct<c:timestamp>>>": (
        "named_struct('a', 1, 'b', array(named_struct('c', timestamp'2024-01-01T00:00:00.5Z')))"
    ),
    "map<string,int>": "map('k', 1, 'n', null)",
    "map<int,array<int>>": "map(1, array(2))",
}


def test_a_row_comes_back_as_it_was(shop: Project) -> None:
    columns = ", ".join(f'Column("c{n}", "{kind}")' for n, kind in enumerate(VALUES))
    chosen = [f"{value} c{n}" for n, value in enumerate(VALUES.values())]
    text = f"""
        @table(raw="bronze.orders", write=append(), expect=[drop("id = 0")], columns=[Column("id", "int"), {columns}])
        def orders(raw: DataFrame) -> DataFrame:
            return raw.selectExpr("int(id) id", *{chosen})
    """
    shop.table("silver.orders", text)
    deliver(shop, 1, "1,1,1,", "2,1,1,")
    shop.run("silver.orders")
    assert shop.rows("silver.orders") == []
    shop.table("silver.orders", text.replace("id = 0", "id > 0"))
    assert shop.replay("silver.orders").counts.rejected == 0
    bronze, stored = (
        shop.engine.session().read.format("delta").load(shop.lake.table(f"shop.{t}").path)
        for t in ("bronze.orders", "silver.orders")
    )
    made = shop.lakehouse.tables["shop.silver.orders"](raw=bronze)
    comparable = [f"map_entries({c}) {c}" if kind.startswith("map") else c for c, kind in made.dtypes]
    assert stored.selectExpr(*comparable).exceptAll(made.selectExpr(*comparable)).count() == 0
    assert stored.count() == 2


def test_a_row_that_cannot_be_read_stays_and_says_so(shop: Project) -> None:
    declare(shop, "append")
    deliver(shop, 1, "1,1,60,upsert", "2,1,60,upsert", "3,1,60,upsert")
    shop.run("silver.orders")
    kept = f"delta.`{shop.lake.quarantine('shop.silver.orders').path}`"
    for number, text in ((2, "someone was here"), (3, "")):
        shop.engine.session().sql(f"UPDATE {kept} SET row = '{text}' WHERE get_json_object(row, '$.id') = {number}")
    declare(shop, "append", MENDED)
    assert shop.replay("silver.orders").counts.judged == 1
    assert shop.rows("silver.orders", "id") == [(1,)]
    last = [v for v in shop.rejected("silver.orders", "row", "broken", "replay") if v[2] and len(v[1])]
    assert [(row, list(broken)) for row, broken, _ in last] == [
        ("", ["fits_the_columns"]), ("someone was here", ["fits_the_columns"])
    ]  # fmt: skip


BRONZE = """
@table(landed=files("orders/*"), expect=[drop("{}")])
def orders(landed: DataFrame) -> DataFrame:
    return landed
"""


def test_rejected_rows_of_arriving_files_are_replayed_into_bronze(shop: Project) -> None:
    shop.table("bronze.orders", BRONZE.format("amount <> 'x'"))
    deliver(shop, 1, "1,1,x,upsert", "2,1,7,upsert")
    shop.table("bronze.orders", BRONZE.format("true"))
    assert shop.replay("bronze.orders").plan.strategy == "replay"
    deliver(shop, 2, "3,1,9,upsert")
    assert shop.rows("bronze.orders", "id", "amount", "_batch") == [("1", "x", 1), ("2", "7", 1), ("3", "9", 2)]
    assert shop.run("bronze.orders").plan.strategy == "nothing"


def test_a_replay_of_arriving_files_killed_after_its_commit_is_completed_by_the_next_run(shop: Project) -> None:
    shop.table("bronze.orders", BRONZE.format("amount <> 'x'"))
    deliver(shop, 1, "1,1,x,upsert", "2,1,7,upsert")
    shop.table("bronze.orders", BRONZE.format("true"))
    assert run_and_die(shop, "bronze.orders", f"after {ENGINE}.modes.append:write", "replay") == -9
    assert not any(accepted for (accepted,) in shop.rejected("bronze.orders", "accepted"))
    deliver(shop, 2, "3,1,9,upsert")
    assert shop.rows("bronze.orders", "id") == [("1",), ("2",), ("3",)]
    assert sum(accepted for (accepted,) in shop.rejected("bronze.orders", "accepted")) == 1
    assert shop.replay("bronze.orders").plan.reason == "no row is in quarantine"


BOUNDARIES = [
    ("merge", "after modes.scd1:merge"),
    ("merge", "after quality.quarantine:add"),
    ("history", "before lake.state:write_state"),
    ("history", "before quality.quarantine:add"),
]


@pytest.mark.parametrize(("mode", "where"), some(BOUNDARIES, 2))
def test_a_replay_killed_at_a_boundary_is_completed_by_the_next_run(shop: Project, mode: str, where: str) -> None:
    declare(shop, mode)
    deliver(shop, 1, "1,2,60,upsert", "2,2,10,upsert", "3,3,70,delete", "4,1,99,upsert")
    deliver(shop, 2, "2,5,60,delete", "3,1,20,upsert")
    shop.run("silver.orders")
    declare(shop, mode, MENDED)
    moment, function = where.split(" ")
    assert run_and_die(shop, "silver.orders", f"{moment} {ENGINE}.{function}", "replay") == -9
    declare(shop, mode, 'drop("amount < 30")')  # which has no say in what was judged before
    deliver(shop, 3, "1,1,5,upsert", "2,4,5,upsert", "3,2,5,upsert")
    shop.run("silver.orders")
    events = [(1, 2, 60, "upsert"), (2, 2, 10, "upsert"), (3, 3, 70, "delete"), (2, 5, 60, "delete"),
              (3, 1, 20, "upsert"), (1, 1, 5, "upsert"), (2, 4, 5, "upsert"), (3, 2, 5, "upsert")]  # fmt: skip
    assert stored(shop, mode) == wanted(mode, [dict(zip(COLUMNS, e, strict=True)) for e in events])
    declare(shop, mode, MENDED)
    assert shop.replay("silver.orders").counts.judged == 1
    assert [list(b) for b, accepted in shop.rejected("silver.orders", "broken", "accepted") if accepted] == [[]]


def test_two_replays_at_once_come_out_as_one(shop: Project) -> None:
    declare(shop, "append")
    deliver(shop, 1, "1,1,60,upsert", "2,1,95,upsert")
    shop.run("silver.orders")
    declare(shop, "append", MENDED)
    assert_at_once(shop, "silver.orders", "replay")
    assert shop.rows("silver.orders", "id") == [(1,)]
    assert sum(a for (a,) in shop.rejected("silver.orders", "accepted")) == 1


def test_a_replay_started_in_dagster_is_a_materialisation_with_its_checks(shop: Project) -> None:
    declare(shop, "merge")
    deliver(shop, 1, "1,1,60,upsert", "2,1,95,upsert")
    shop.run("silver.orders")
    declare(shop, "merge", MENDED)
    result = shop.by_dagster("silver.orders", replay=True)
    (made,) = result.asset_materializations_for_node("shop__silver__orders")
    shown = {
        name: made.metadata[name].value for name in ("strategy", "rows_judged", "rows_rejected", "dagster/row_count")
    }
    assert shown == {"strategy": "replay", "rows_judged": 2, "rows_rejected": 1, "dagster/row_count": 1}
    broken = {e.check_name: e.metadata["rows_broken"].value for e in result.get_asset_check_evaluations()}
    assert broken == {"id_not_null": 0, "amount_lt_90": 1, "amount_gt_5": 0}


def test_a_table_that_is_computed_anew_has_nothing_to_replay(shop: Project) -> None:
    shop.table("gold.totals", 'totals = sql_table(orders="bronze.orders", sql="SELECT count(*) AS n FROM orders")')
    with pytest.raises(LakehouseError, match=r"Replaying shop.gold.totals: .* `lakehouse run shop.gold.totals --full`"):
        shop.replay("gold.totals")
