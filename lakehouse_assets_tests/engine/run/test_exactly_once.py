"""A run may end at any step boundary, or run twice at once: the tables come out as if nothing had happened."""

from __future__ import annotations

import importlib
import os
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors.exceptions.connect import UnknownException

from lakehouse_assets.engine.errors import SourceError, WriteConflict
from lakehouse_assets.engine.lake import small_writes
from lakehouse_assets.engine.quality import quarantine
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets_tests.crash import assert_at_once, run_and_die
from lakehouse_assets_tests.engine.sources.reading import ledger
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

ENGINE = "lakehouse_assets.engine"
LEDGER = "lakehouse_assets.engine.sources.arrivals.ledger:Ledger"
BRONZE = """
@table(landed=files("orders/*"), columns=[Column("id", "string"), Column("amount", "string"), Column("at", "string")],
       expect=[drop("amount <> '666'")])
def orders(landed: DataFrame) -> DataFrame:
    return landed
"""
SILVER = """
@table(
    raw="bronze.orders",
    columns=[Column("id", "int", key=True), Column("amount", "int"), Column("at", "int")],
    expect=[drop("amount > 0")],
    write=merge(on="id", newest="at"),
)
def orders(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "int(amount) amount", "int(at) at", "_source")
"""
GOLD = 'totals = sql_table(orders="silver.orders", sql="SELECT count(*) AS n, sum(amount) AS amount FROM orders")'
TABLES = ("bronze.orders", "silver.orders", "gold.totals")


# What Spark says when two of its threads read one observation.
LOST = (
    '(java.lang.NullPointerException) Cannot invoke "org.apache.spark.unsafe.types.UTF8String.toString()" because the'
    ' return value of "org.apache.spark.sql.catalyst.InternalRow.getUTF8String(int)" is null'
)
SECOND = {"2.csv": "id,amount,at\n2,25,2\n5,50,1\n6,-6,1\n", "3.csv": "id,amount,at\n1,5,0\n7,666,1\n5,55,2\n"}


@pytest.fixture
def shop(project: Project) -> Project:
    """A lake with one file waiting."""
    project.table("bronze.orders", BRONZE)
    project.table("silver.orders", SILVER)
    project.table("gold.totals", GOLD)
    project.land("orders/1.csv", "id,amount,at\n1,10,1\n2,20,1\n3,-1,1\n4,666,1\n")
    return project


def second_batch(shop: Project, *built: str) -> None:
    """Take the first file in, in the tables named, and let two more arrive."""
    run(shop, *built)
    for name, text in SECOND.items():
        shop.land(f"orders/{name}", text)


def run(shop: Project, *names: str) -> None:
    for name in names:
        shop.run(name)


# What an undisturbed lake has after all three files, worked out by hand.
EXPECTED = {
    "bronze.orders": {
        "rows": [("1", "10"), ("1", "5"), ("2", "20"), ("2", "25"), ("3", "-1"), ("5", "50"), ("5", "55"), ("6", "-6")],
        "rejected": ["1.csv", "3.csv"],
        "ledger": [("1.csv", "done", 3), ("2.csv", "done", 3), ("3.csv", "done", 2)],
    },
    "silver.orders": {"rows": [(1, 10), (2, 25), (5, 55)], "rejected": ["1.csv", "2.csv"]},
    "gold.totals": {"rows": [(3, 90)], "rejected": []},
}


def state(shop: Project, name: str) -> dict[str, Any]:
    columns = () if name == "gold.totals" else ("id", "amount")
    rejected = sorted(Path(s).name for (s,) in shop.rejected(name, "source"))
    found = {"rows": shop.rows(name, *columns), "rejected": rejected}
    return {**found, "ledger": ledger(shop)} if name == "bronze.orders" else found


def test_an_undisturbed_lake_is_what_was_worked_out_by_hand(shop: Project) -> None:
    second_batch(shop, *TABLES)
    run(shop, *TABLES)
    assert {name: state(shop, name) for name in TABLES} == EXPECTED


BRONZE_BOUNDARIES = [
    f"before {LEDGER}.plan",
    f"after {LEDGER}.plan",
    f"after {ENGINE}.lake.delta_write:append",
    f"before {ENGINE}.quality.quarantine:keep",
    f"after {ENGINE}.quality.quarantine:keep",
    f"before {LEDGER}.mark",
    f"after {LEDGER}.mark",
]


@pytest.mark.parametrize("where", some(BRONZE_BOUNDARIES, 4))
def test_bronze_killed_at_a_boundary_is_right_after_the_next_run(shop: Project, where: str) -> None:
    assert run_and_die(shop, "bronze.orders", where) == -9
    second_batch(shop, "bronze.orders")
    run(shop, "bronze.orders")
    assert state(shop, "bronze.orders") == EXPECTED["bronze.orders"]


LATER_BOUNDARIES = [
    f"before {ENGINE}.lake.small_writes:append",
    f"after {ENGINE}.lake.small_writes:append",
    f"after {ENGINE}.lake.delta_write:append",
    f"after {ENGINE}.quality.quarantine:keep",
]


@pytest.mark.parametrize("where", some(LATER_BOUNDARIES, 3))
def test_a_later_batch_killed_at_a_boundary_is_right_after_the_next_run(shop: Project, where: str) -> None:
    second_batch(shop, "bronze.orders")
    if "delta_write" in where:
        shop.leave_to_spark("bronze.orders")
    assert run_and_die(shop, "bronze.orders", where) == -9
    run(shop, "bronze.orders")
    assert state(shop, "bronze.orders") == EXPECTED["bronze.orders"]


SILVER_BOUNDARIES = [
    f"before {ENGINE}.lake.small_writes:merge",
    f"after {ENGINE}.lake.small_writes:merge",
    f"before {ENGINE}.modes.scd1:merge",
    f"after {ENGINE}.modes.scd1:merge",
    f"after {ENGINE}.quality.quarantine:keep",
]


@pytest.mark.parametrize("where", some(SILVER_BOUNDARIES, 3))
def test_a_merge_killed_at_a_boundary_is_right_after_the_next_run(shop: Project, where: str) -> None:
    second_batch(shop, "bronze.orders", "silver.orders")
    if "scd1" in where:
        shop.leave_to_spark("silver.orders")
    run(shop, "bronze.orders")
    assert run_and_die(shop, "silver.orders", where) == -9
    run(shop, "silver.orders")
    assert state(shop, "silver.orders") == EXPECTED["silver.orders"]


def test_rejected_rows_of_a_killed_run_survive_though_more_rows_came_meanwhile(shop: Project) -> None:
    run(shop, "bronze.orders")
    assert run_and_die(shop, "silver.orders", f"after {ENGINE}.run.update:commit") == -9
    for name, text in SECOND.items():
        shop.land(f"orders/{name}", text)
    run(shop, "bronze.orders", "silver.orders")
    assert state(shop, "silver.orders") == EXPECTED["silver.orders"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_replaced_table_killed_at_its_write_is_right_after_the_next_run(shop: Project, moment: str) -> None:
    second_batch(shop, *TABLES)
    run(shop, "bronze.orders", "silver.orders")
    assert run_and_die(shop, "gold.totals", f"{moment} {ENGINE}.lake.delta_write:overwrite") == -9
    assert shop.rows("gold.totals") == ([(2, 30)] if moment == "before" else [(3, 90)])
    run(shop, "gold.totals")
    assert state(shop, "gold.totals") == EXPECTED["gold.totals"]


@pytest.mark.parametrize("where", [f"after {LEDGER}.plan_rebuild", f"after {ENGINE}.lake.delta_write:overwrite"])
def test_a_full_refresh_of_bronze_killed_half_way_is_completed_by_the_next_run(shop: Project, where: str) -> None:
    second_batch(shop, "bronze.orders")
    run(shop, "bronze.orders")
    assert run_and_die(shop, "bronze.orders", where, "full") == -9
    run(shop, "bronze.orders")
    assert state(shop, "bronze.orders") == EXPECTED["bronze.orders"]


def test_a_full_refresh_that_would_lose_rows_is_refused(shop: Project) -> None:
    second_batch(shop)
    run(shop, "bronze.orders")
    (shop.root / "landing/shop/orders/2.csv").unlink()
    with pytest.raises(SourceError, match=r"1 files read before are gone .*it would lose their 3 rows"):
        shop.run("bronze.orders", full=True)
    assert state(shop, "bronze.orders") == EXPECTED["bronze.orders"]


@pytest.mark.parametrize("name", TABLES)
def test_two_runs_of_a_table_at_once_come_out_as_one(shop: Project, name: str) -> None:
    second_batch(shop, *TABLES[: TABLES.index(name) + 1])
    run(shop, *TABLES[: TABLES.index(name)])
    assert_at_once(shop, name)
    assert state(shop, name) == EXPECTED[name]


def test_a_run_before_which_another_always_commits_gives_up_after_some_attempts_and_says_so(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_batch(shop, "bronze.orders", "silver.orders")
    run(shop, "bronze.orders")
    merge, numbers = small_writes.merge, count(10)

    def another_first(*arguments: Any) -> bool:
        """What a busy neighbour does: it takes in the same rows, and more come in for both."""
        monkeypatch.setattr(small_writes, "merge", merge)
        run(shop, "silver.orders")
        shop.land(f"orders/{(number := next(numbers))}.csv", f"id,amount,at\n{number},1,1\n")
        run(shop, "bronze.orders")
        monkeypatch.setattr(small_writes, "merge", another_first)
        return merge(*arguments)

    monkeypatch.setattr(small_writes, "merge", another_first)
    told = r"run \d+ was committed by another process; gave up after 5 attempts. Let the other run end"
    with pytest.raises(WriteConflict, match=told):
        run(shop, "silver.orders")
    monkeypatch.setattr(small_writes, "merge", merge)
    run(shop, "silver.orders")
    expected = [(1, 10), (2, 25), (5, 55), *((n, 1) for n in range(10, 15))]
    assert sorted(shop.rows("silver.orders", "id", "amount")) == expected


def test_a_file_that_vanishes_between_plan_and_read_is_told_and_stops_nothing(shop: Project) -> None:
    second_batch(shop)
    assert run_and_die(shop, "bronze.orders", f"after {LEDGER}.plan") == -9
    (shop.root / "landing/shop/orders/2.csv").unlink()
    assert shop.run("bronze.orders").files == Counter(done=2, vanished=1)
    assert ("2.csv", "vanished", None) in ledger(shop)


def test_rows_of_a_version_that_came_after_the_commit_are_rejected_with_it_and_not_before(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = quarantine.keep

    def overwritten(*arguments: Any) -> None:
        monkeypatch.setattr(quarantine, "keep", keep)
        shop.land("orders/1.csv", "id,amount,at\n8,666,1\n9,90,1\n")
        keep(*arguments)

    shop.land("orders/2.csv", "id,amount,at\n5,666,1\n")
    monkeypatch.setattr(quarantine, "keep", overwritten)
    assert shop.run("bronze.orders").files == {"done": 2}
    assert shop.rejected("bronze.orders", "source", "run") == [(str(shop.root / "landing/shop/orders/2.csv"), 1)]
    run(shop, "bronze.orders")
    assert sorted(n for _, n in shop.rejected("bronze.orders", "source", "run")) == [1, 2]
    assert shop.rows("bronze.orders", "id") == [("1",), ("2",), ("3",), ("9",)]


def test_a_file_that_could_not_be_read_is_told_of_though_that_run_was_killed(project: Project) -> None:
    project.bronze("orders")
    project.land("orders/bad.csv", b"a\n\xff\n")
    project.land("orders/good.csv", "a\n1\n")
    project.land("orders/none.csv", "a\n")
    assert run_and_die(project, "bronze.orders", f"after {ENGINE}.lake.delta_write:append") == -9
    assert project.run("bronze.orders").files == {"done": 2, "failed": 1}
    assert ledger(project) == [("bad.csv", "failed", None), ("good.csv", "done", 1), ("none.csv", "done", 0)]


def test_a_file_left_out_by_a_run_that_was_killed_is_not_done_though_it_can_be_read_now(project: Project) -> None:
    project.bronze("orders")
    project.land("orders/bad.csv", b"a\n\xff\n")
    project.land("orders/good.csv", "a\n1\n")
    assert run_and_die(project, "bronze.orders", f"after {ENGINE}.lake.delta_write:append") == -9
    bad = project.root / "landing/shop/orders/bad.csv"
    before = bad.stat()
    bad.write_bytes(b"a\n22\n"[: before.st_size])
    os.utime(bad, ns=(before.st_atime_ns, before.st_mtime_ns))  # it's the fault that has passed, not the version
    assert project.run("bronze.orders").files == {"done": 1, "failed": 1}
    (why,) = [e.error for e in Ledger(project.lake.arrivals("shop.bronze.orders")).entries() if e.error]
    assert "can be read now: retry it" in why


@pytest.mark.parametrize("name", [b"\xff", b"not the version that was planned: 1"])
def test_a_file_that_cannot_be_read_fails_once_whatever_its_name(project: Project, name: bytes) -> None:
    project.bronze("orders", "format='json'")
    project.land("orders/good", '{"a": 1}')
    Path(os.fsdecode(bytes(project.root / "landing/shop/orders") + b"/" + name)).write_text("{")
    assert project.run("bronze.orders").files == {"done": 1, "failed": 1}
    assert project.run("bronze.orders").plan.strategy == "nothing"


def test_a_file_overwritten_after_it_was_read_is_read_again_beside_its_old_rows(shop: Project) -> None:
    second_batch(shop)
    run(shop, "bronze.orders", "silver.orders")
    shop.land("orders/2.csv", "id,amount,at\n2,26,3\n")
    run(shop, "bronze.orders", "silver.orders")
    assert {("2", "25"), ("2", "26")} <= set(shop.rows("bronze.orders", "id", "amount"))
    assert shop.rows("silver.orders", "id", "amount") == [(1, 10), (2, 26), (5, 55)]


def test_a_file_renamed_after_it_was_read_is_not_read_again(shop: Project) -> None:
    run(shop, "bronze.orders")
    folder = shop.root / "landing/shop/orders"
    (folder / "1.csv").rename(folder / "one.csv")
    assert shop.run("bronze.orders").plan.strategy == "nothing"
    assert [s for n, s, _ in ledger(shop) if n == "one.csv"] == ["renamed"]


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("bronze.orders", "lake.delta_write.append"),
        ("silver.orders", "lake.small_writes.merge"),
        ("gold.totals", "lake.delta_write.overwrite"),
    ],
)
def test_a_commit_whose_observation_spark_failed_to_read_counts(
    shop: Project, monkeypatch: pytest.MonkeyPatch, name: str, step: str
) -> None:
    second_batch(shop, *TABLES[: TABLES.index(name) + 1])
    run(shop, *TABLES[: TABLES.index(name)])
    module, function = step.rsplit(".", 1)
    owner = importlib.import_module(f"{ENGINE}.{module}")
    real = getattr(owner, function)

    def fails_afterwards(*arguments: Any) -> None:
        real(*arguments)
        monkeypatch.setattr(owner, function, real)
        raise UnknownException(LOST)

    monkeypatch.setattr(owner, function, fails_afterwards)
    run(shop, name)
    assert state(shop, name) == EXPECTED[name]


@pytest.mark.parametrize("bound", ["files_per_batch=2", "bytes_per_batch=40"])
def test_many_files_are_read_by_one_run_in_batches_within_bounds(shop: Project, bound: str) -> None:
    shop.run("bronze.orders")
    shop.bronze("orders", bound)
    for number in range(5):
        shop.land(f"orders/{number}.csv", f"id,amount,at\n{number},1,1\n")  # 19 bytes
    assert run_and_die(shop, "bronze.orders", "after lakehouse_assets.engine.modes.commit:commit") == -9
    outcome = shop.run("bronze.orders")
    assert outcome.plan.reason == "5 files in 3 batches"
    assert (dict(outcome.files), outcome.version) == ({"done": 5}, 3)
    rows = [row for row in shop.rows("bronze.orders", "id", "_batch") if row[1] > 1]
    assert rows == [("0", 2), ("1", 2), ("2", 3), ("3", 3), ("4", 4)]
    shop.land("orders/vast.csv", "id,amount,at\n" + "7,1,1\n" * 100)
    assert shop.run("bronze.orders").plan.reason == "1 files in batch 5"
