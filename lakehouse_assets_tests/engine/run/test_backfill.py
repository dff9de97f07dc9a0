"""Backfills: the days of a table computed anew on demand, by one run for a range, and told to Dagster as partitions."""

from __future__ import annotations

import dagster as dg
import pytest

from lakehouse_assets.engine.errors import DeclarationError
from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

SILVER = """
@table(raw="bronze.sales", write=merge(on="id", newest="seq"),
       columns=[Column("id", "int", key=True), Column("day", "date"), Column("n", "int"), Column("seq", "int")])
def sales(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "date(day) day", "int(n) n", "int(seq) seq")
"""
DAILY = """
from datetime import date
daily = sql_table(sales="silver.sales", columns=[Column("day", "date"), Column("total", "bigint")],
                  expect=[drop("total < 100")], write=refresh(by="day"),
                  partitions=Daily("day", start=date(2024, 1, 11)),
                  sql="SELECT day, sum(n) AS total FROM sales GROUP BY day")
"""
FIRST, LAST = "2024-01-12", "2024-01-14"
RANGE = {"dagster/asset_partition_range_start": FIRST, "dagster/asset_partition_range_end": LAST}


@pytest.fixture
def shop(project: Project) -> Project:
    project.bronze("sales")
    project.table("silver.sales", SILVER)
    project.table("gold.daily", DAILY)
    deliver(project, 0, *(f"{i},2024-01-{i},{i}" for i in range(10, 20)))
    project.run("gold.daily")
    return project


def deliver(shop: Project, number: int, *lines: str) -> None:
    shop.land(f"sales/{number}.csv", "\n".join(["id,day,n,seq", *(f"{line},{number}" for line in lines)]) + "\n")
    shop.run("bronze.sales")
    shop.run("silver.sales")


def tamper(shop: Project, *days: int) -> None:
    """What a statement does that bypasses the project."""
    chosen = ", ".join(f"DATE'2024-01-{day}'" for day in days)
    path = shop.lake.table("shop.gold.daily").path
    shop.engine.session().sql(f"UPDATE delta.`{path}` SET total = 0 WHERE day IN ({chosen})")


def totals(shop: Project) -> dict[int, int]:
    return {day.day: total for day, total in shop.rows("gold.daily", "day", "total")}


RIGHT = {i: i for i in range(10, 20)}


def test_the_days_of_a_range_are_computed_anew_and_no_others(shop: Project) -> None:
    tamper(shop, 11, 12, 15)
    shop.engine.session().sql(
        f"DELETE FROM delta.`{shop.lake.table('shop.gold.daily').path}` WHERE day = DATE'2024-01-14'"
    )
    outcome = shop.backfill("gold.daily", FIRST, LAST)
    assert (outcome.plan.strategy, outcome.plan.groups) == ("refresh", 3)
    assert totals(shop) == RIGHT | {11: 0, 15: 0}
    assert outcome.version is not None
    written = shop.log("gold.daily").days("day", after=outcome.version - 1)
    assert written == ["2024-01-12", "2024-01-14"]  # the 13th was right


def test_what_came_since_is_taken_in_and_not_lost(shop: Project) -> None:
    deliver(shop, 1, "12,2024-01-13,5", "20,2024-01-20,20")
    shop.backfill("gold.daily", FIRST, LAST)
    assert totals(shop) == {k: v for k, v in RIGHT.items() if k != 12} | {13: 18, 20: 20}
    assert shop.plan("gold.daily").strategy == "nothing"
    deliver(shop, 2, "14,2024-01-14,1")
    assert shop.run("gold.daily").plan.strategy == "refresh"
    assert totals(shop)[14] == 1


def test_a_range_of_most_rows_or_of_a_table_that_is_not_there_computes_all(shop: Project) -> None:
    tamper(shop, 19)
    outcome = shop.backfill("gold.daily", "2024-01-10", "2024-01-17")
    assert (outcome.plan.strategy, totals(shop)) == ("full", RIGHT)
    shop.table("gold.other", DAILY.replace("daily =", "other ="))
    assert shop.backfill("gold.other", FIRST, LAST).plan.reason == "first build"


@pytest.mark.parametrize("where", some([f"{when} modes.refresh.refresh:write" for when in ("after", "before")], 1))
def test_a_backfill_killed_half_way_is_right_after_the_next_run(shop: Project, where: str) -> None:
    tamper(shop, 12)
    deliver(shop, 1, "13,2024-01-13,500")
    moment, function = where.split(" ")
    how = f"backfill {FIRST} {LAST}"
    shop.run("gold.daily")  # the 13th is rejected, and once more by the backfill
    assert run_and_die(shop, "gold.daily", f"{moment} lakehouse_assets.engine.{function}", how) == -9
    deliver(shop, 2, "15,2024-01-15,1")
    shop.run("gold.daily")
    if moment == "before":
        shop.backfill("gold.daily", FIRST, LAST)
    assert totals(shop) == {k: v for k, v in RIGHT.items() if k != 13} | {15: 1}
    assert len(shop.rejected("gold.daily")) == 2


def test_dagster_knows_the_days_of_every_run_and_backfills_a_range_by_one(
    shop: Project, instance: dg.DagsterInstance
) -> None:
    loaded = shop.definitions()
    job, key = loaded.resolve_job_def("shop"), dg.AssetKey(["shop", "gold", "daily"])

    def run(tags: dict[str, str]) -> set[str]:
        """The days that a run told of."""
        chosen = [key] if tags else [dg.AssetKey(["shop", *t.split(".")]) for t in ("bronze.sales", "silver.sales")]
        done = job.execute_in_process(instance=instance, tags=tags, asset_selection=[*{*chosen, key}])
        assert all(e.passed for e in done.get_asset_check_evaluations())
        told = [e.step_materialization_data.materialization for e in done.get_asset_materialization_events()]
        return {m.partition for m in told if m.asset_key == key and m.partition}

    deliver(shop, 1, "12,2024-01-12,50", "30,2024-01-30,1")
    assert run({}) == {"2024-01-12", "2024-01-30"}
    tamper(shop, 13)
    deliver(shop, 2, "31,2024-01-31,2")  # the backfill's run takes it in too
    assert run(RANGE) == {"2024-01-12", "2024-01-13", "2024-01-14", "2024-01-31"}
    assert totals(shop) == RIGHT | {12: 50, 30: 1, 31: 2}
    known = instance.get_materialized_partitions(key)
    assert known == {"2024-01-12", "2024-01-13", "2024-01-14", "2024-01-30", "2024-01-31"}
    shop.run("silver.sales", full=True)
    assert run({}) == {f"2024-01-{i}" for i in [*range(11, 20), 30, 31]}  # the 10th is before its first day


def test_all_tables_can_be_materialised_by_one_run_with_a_day_for_those_that_have_days(
    shop: Project, instance: dg.DagsterInstance
) -> None:
    """What "Materialize all" in the UI launches: it asks for a day if one of the tables has days."""
    tamper(shop, 13)
    shop.land("sales/1.csv", "id,day,n,seq\n12,2024-01-12,50,1\n")
    job = shop.definitions().resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance, partition_key="2024-01-13").success
    assert totals(shop) == RIGHT | {12: 50}


def test_days_that_cannot_be_are_refused(shop: Project) -> None:
    shop.table("gold.daily", DAILY.replace('Daily("day"', 'Daily("total"'))
    with pytest.raises(DeclarationError, match="its days are those of 'total'; add that to refresh"):
        shop.plan("gold.daily")
    shop.table("gold.daily", DAILY.replace('Column("day", "date")', 'Column("day", "string")'))
    with pytest.raises(DeclarationError, match="its days are those of 'day', which isn't a date"):
        shop.plan("gold.daily")
