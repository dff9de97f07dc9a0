"""Rows behind a table's watermark: not lost, not in what was published, and brought in together by a sensor."""

from __future__ import annotations

import json

import dagster as dg
import pytest

from lakehouse_assets.engine.errors import DeclarationError, LakehouseError
from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.engine.compile.sensors import Sensor
from lakehouse_assets_tests.project import Project

SILVER = """
from datetime import timedelta
@table(raw="bronze.clicks", write={write}, watermark=Watermark("at", delay=timedelta(days=2)), expect=[drop("n < 100")],
       columns=[Column("id", "int", nullable=False), Column("at", "{kind}"), Column("n", "int")])
def clicks(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "CAST(at AS {kind}) at", "int(n) n")
"""
DAILY = """
daily = sql_table(clicks="silver.clicks", columns=[Column("day", "date"), Column("n", "bigint")],
                  write=refresh(by="day"), sql="SELECT date(at) AS day, sum(n) AS n FROM clicks GROUP BY 1")
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.bronze("clicks")
    declare(project)
    project.table("gold.daily", DAILY)
    return project


def declare(shop: Project, write: str = "append()", kind: str = "timestamp") -> None:
    shop.table("silver.clicks", SILVER.format(write=write, kind=kind))


def deliver(shop: Project, number: int, *lines: str) -> None:
    shop.land(f"clicks/{number}.csv", "\n".join(["id,at,n", *lines]) + "\n")
    shop.run("bronze.clicks")


def late(shop: Project) -> list[int]:
    """The ids of the rows that wait because they're late."""
    rows = shop.rejected("silver.clicks", "row", "broken", "accepted")
    return sorted(json.loads(row)["id"] for row, broken, accepted in rows if "on_time" in broken and not accepted)


@pytest.mark.parametrize("kind", ["timestamp", "date", "timestamp_ntz"])
def test_a_row_more_than_the_delay_behind_the_newest_stored_waits(shop: Project, kind: str) -> None:
    declare(shop, kind=kind)
    deliver(shop, 1, "1,2024-05-10T12:00:00,1", "2,2020-01-01T00:00:00,1")
    shop.run("silver.clicks")
    assert late(shop) == []  # nothing was stored before
    deliver(shop, 2, "3,2024-05-08T11:00:00,1", "4,2024-05-08T12:00:00,1", "5,,1", "6,2024-06-01T00:00:00,1")
    outcome = shop.run("silver.clicks")
    assert late(shop) == ([] if kind == "date" else [3])
    assert outcome.counts.rejected == len(late(shop))
    deliver(shop, 3, "7,2024-05-29T23:00:00,1", "8,2024-05-30T00:00:00,1", "9,2024-05-01T00:00:00,500")
    shop.run("silver.clicks")
    assert late(shop) == [*([] if kind == "date" else [3]), 7, 9]
    stored = {i for (i,) in shop.rows("silver.clicks", "id")}
    assert stored | set(late(shop)) == set(range(1, 10))


@pytest.mark.parametrize("write", ["append()", 'merge(on="id", newest="at")', 'history(on="id", newest="at")'])
def test_a_replay_brings_late_rows_to_their_place_but_not_those_that_broke_a_rule_too(
    shop: Project, write: str
) -> None:
    declare(shop, write)
    deliver(shop, 1, "1,2024-05-10T12:00:00,1")
    shop.run("silver.clicks")
    deliver(shop, 2, "1,2024-05-01T00:00:00,2", "2,2024-05-01T00:00:00,500", "3,2024-05-01T00:00:00,3")
    shop.run("silver.clicks")
    assert late(shop) == [1, 2, 3]
    shop.replay("silver.clicks")
    now = sorted(shop.rows("silver.clicks", "id", "n"))
    assert now == ([(1, 1), (3, 3)] if write.startswith("merge") else [(1, 1), (1, 2), (3, 3)])
    if write.startswith("history"):
        assert shop.rows("silver.clicks", "id", "n", "is_current") == [(1, 1, True), (1, 2, False), (3, 3, True)]
    broken = [list(b) for b, r in shop.rejected("silver.clicks", "broken", "replay") if r and len(b)]
    assert broken == [["n_lt_100"]]


def test_late_rows_of_a_run_that_was_killed_are_those_that_were_late_then(shop: Project) -> None:
    deliver(shop, 1, "1,2024-05-10T12:00:00,1")
    shop.run("silver.clicks")
    deliver(shop, 2, "2,2024-05-09T00:00:00,1", "3,2024-05-01T00:00:00,1", "4,2024-09-01T00:00:00,1")
    assert run_and_die(shop, "silver.clicks", "after lakehouse_assets.engine.lake.small_writes:append") == -9
    shop.run("silver.clicks")
    assert late(shop) == [3]
    assert shop.rows("silver.clicks", "id") == [(1,), (2,), (4,)]


def test_a_rebuild_takes_every_row_in(shop: Project) -> None:
    deliver(shop, 1, "1,2024-05-10T12:00:00,1")
    shop.run("silver.clicks")
    deliver(shop, 2, "2,2024-05-01T00:00:00,1")
    shop.run("silver.clicks")
    shop.run("silver.clicks", full=True)
    assert (late(shop), len(shop.rows("silver.clicks"))) == ([], 2)


def test_the_sensor_brings_them_in_and_only_their_days_are_computed_anew(
    shop: Project, instance: dg.DagsterInstance
) -> None:
    deliver(shop, 1, *(f"{i},2024-05-{i:02}T12:00:00,1" for i in range(1, 31)))
    shop.run("silver.clicks")
    shop.run("gold.daily")
    sensor = Sensor(shop.definitions(), "shop_late_rows", instance)
    assert sensor.tick().skip_message == "no new late rows"
    for number in (2, 3):  # the second time though it's for the same days
        deliver(shop, number, f"{number}1,2024-05-03T00:00:00,5", f"{number}2,2024-05-07T00:00:00,5")
        shop.run("silver.clicks")
        shop.run("gold.daily")
        (request,) = sensor.tick().run_requests
        assert request.tags["lakehouse/late_days"] == "2024-05-03, 2024-05-07"
        done = sensor.run(request)
        ways = {m.asset_key.path[-1]: m.metadata["strategy"].value for m in _materialised(done)}
        assert ways == {"clicks": "replay", "daily": "refresh"}
        assert sensor.tick().skip_message == "no new late rows"
    days = {str(day): n for day, n in shop.rows("gold.daily", "day", "n")}
    assert days == {f"2024-05-{i:02}": 11 if i in (3, 7) else 1 for i in range(1, 31)}


def _materialised(done: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    return [e.step_materialization_data.materialization for e in done.get_asset_materialization_events()]


def test_a_newest_row_beyond_the_year_9999_is_told_and_not_taken_for_the_watermark(shop: Project) -> None:
    deliver(shop, 1, "1,+12024-05-10T12:00:00,1")
    shop.run("silver.clicks")
    deliver(shop, 2, "2,2024-05-01T00:00:00,1")
    with pytest.raises(LakehouseError, match="the newest `at` lies beyond the year 9999; delete that row"):
        shop.run("silver.clicks")


def test_a_watermark_that_cannot_be_is_refused(shop: Project) -> None:
    declare(shop, kind="string")
    shop.table("gold.daily", DAILY.replace("write=refresh", 'watermark=Watermark("dai", None), write=refresh'))
    with pytest.raises(DeclarationError) as refused:
        shop.plan("gold.daily")
    assert "has its watermark on 'at', a string" in str(refused.value)
    assert "has its watermark on 'dai', which isn't among its columns" in str(refused.value)
    assert "has a watermark, but takes every row in" in str(refused.value)
