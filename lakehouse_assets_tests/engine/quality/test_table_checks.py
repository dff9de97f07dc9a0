"""Checks of whole tables: what is odd beside a table's own past, and data that are older than they may be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lakehouse_assets.engine.errors import CheckFailed
from lakehouse_assets.engine.quality.table_checks import stored_violations, violations
from lakehouse_assets_tests.project import Project

# The last delivery alone, so that a version has as many rows as that.
LAST = """
people = sql_table(people="bronze.people", columns=[Column("id", "int"), Column("name", "string")], checks=[{checks}],
    sql="SELECT int(id) id, name FROM people WHERE _batch = (SELECT max(_batch) FROM people)")
"""
GROWING = """
@table(people="bronze.people", columns=[Column("id", "int")], write=append(), checks=[volume(added=True)])
def people(people: DataFrame) -> DataFrame:
    return people.selectExpr("int(id) id")
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.bronze("people")
    return project


def deliver(shop: Project, number: int, rows: int, nameless: int = 0) -> None:
    lines = [f"{i},{'' if i < nameless else 'Ann'}" for i in range(rows)]
    shop.land(f"people/{number}.csv", "\n".join(["id,name", *lines]) + "\n")
    shop.run("bronze.people")


def found(shop: Project, name: str) -> dict[str, list[dict[str, object]]]:
    """Check → the violations it finds."""
    env = shop.context()
    table = env.lakehouse.tables[f"shop.{name}"]
    return {c.name: list(violations(c, table, env.lake, env.session()).some) for c in table.all_checks}


def test_rows_and_nulls_that_are_odd_beside_the_table_s_past_are_found(shop: Project) -> None:
    shop.table("gold.people", LAST.format(checks='volume(low=0.5, high=2), null_share("name", more=0.1)'))
    told = []
    for number, (rows, nameless) in enumerate([(10, 0), (20, 4), (30, 6), (9, 0), (50, 20), (20, 6)]):
        deliver(shop, number, rows, nameless)
        shop.run("gold.people")
        told.append(found(shop, "gold.people"))
    usual, nothing = {"volume": [], "name_null_share": []}, []
    assert told[:3] == [usual] * 3  # whatever they are: there is too little past
    assert told[3] == {"volume": [{"value": 9, "usual": 20.0}], "name_null_share": nothing}
    assert told[4] == {
        "volume": [{"value": 50, "usual": 15.0}],
        "name_null_share": [{"value": 0.4, "usual": pytest.approx(0.1)}],
    }
    assert told[5] == usual


def test_a_version_that_adds_unusually_many_rows_is_found_in_a_table_that_grows(shop: Project) -> None:
    shop.table("silver.people", GROWING)
    told = []
    for number, rows in enumerate([50, 10, 11, 12, 9, 30]):
        deliver(shop, number, rows)
        shop.run("silver.people")
        told.append(found(shop, "silver.people")["volume_added"])
    assert told == [[]] * 5 + [[{"value": 30, "usual": 10.5}]]


def test_rows_that_are_to_take_a_table_s_place_are_held_against_its_past(shop: Project) -> None:
    shop.table("gold.people", LAST.format(checks='volume(severity="error"), null_share("name", severity="error")'))
    for number, (rows, nameless) in enumerate([(10, 0), (10, 0), (10, 0)]):
        deliver(shop, number, rows, nameless)
        shop.run("gold.people")
    deliver(shop, 3, 4)
    with pytest.raises(CheckFailed, match=r"check 'volume' finds 1 violations, as \{'value': 4, 'usual': 10.0\}"):
        shop.run("gold.people")
    deliver(shop, 4, 10, nameless=5)
    with pytest.raises(CheckFailed, match="check 'name_null_share' finds 1 violations"):
        shop.run("gold.people")
    assert (len(shop.rows("gold.people")), shop.log("gold.people").version) == (10, 2)


def lose(shop: Project, key: str, where: str) -> None:
    """Lose rows as a run of ours with a fault would: what others delete is noticed, and made good, by the next run."""
    session, told = shop.engine.session(), "spark.databricks.delta.commitInfo.userMetadata"
    session.conf.set(told, '{"lakehouse": {"kind": "fault"}}')
    session.sql(f"DELETE FROM delta.`{shop.lake.table(key).path}` WHERE {where}")
    session.conf.unset(told)


def test_rows_that_are_neither_stored_nor_in_quarantine_nor_superseded_are_found(shop: Project) -> None:
    shop.table(
        "silver.people",
        """
        @table(people="bronze.people", columns=[Column("id", "int", key=True), Column("name", "string")],
               expect=[drop("name <> 'Ben'")], write=merge(on="id"), checks=[reconciled()])
        def people(people: DataFrame) -> DataFrame:
            return people.selectExpr("int(id) id", "name")
        """,
    )
    told = []
    for number, name in enumerate(["Ann", "Ben", "Cid"]):
        shop.land(f"people/{number}.csv", f"id,name\n1,{name}\n{number + 10},{name}\n{number + 20},Dee\n")
        shop.run("bronze.people")
        checks = shop.by_dagster("silver.people").get_asset_check_evaluations()
        told += [(c.passed, c.metadata) for c in checks if c.check_name == "reconciled"]
        if number == 1:
            lose(shop, "shop.silver.people", "id = 10")
    assert [passed for passed, _ in told] == [True, True, False]
    assert "{'made': 9, 'stored': 5, 'waiting': 2, 'superseded': 1}" in str(told[2][1]["sample"].value)


@pytest.mark.parametrize(("hours", "late"), [(1, False), (30, True), (None, True)])
def test_data_that_are_older_than_they_may_be_are_found_though_the_run_is_new(
    shop: Project, hours: int | None, late: bool
) -> None:
    shop.table(
        "gold.people",
        """
        from datetime import timedelta
        people = sql_table(people="bronze.people", columns=[Column("at", "timestamp")],
            checks=[up_to_date("at", within=timedelta(days=1))],
            sql="SELECT CAST(name AS timestamp) at FROM people WHERE name IS NOT NULL")
    """,
    )
    at = "" if hours is None else (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    shop.land("people/1.csv", f"id,name\n1,2020-01-01T00:00:00Z\n2,{at}\n" if at else "id,name\n1,\n")
    shop.run("bronze.people")
    result = shop.by_dagster("gold.people")
    (told,) = result.get_asset_check_evaluations()
    assert (told.check_name, told.passed, result.success) == ("at_up_to_date", not late, True)


KEYED = """
@table(raw="bronze.people", write=append(),
    columns=[Column("orderId", "int", key=True), Column("at", "timestamp", key=True),
             Column("Price", "decimal(10,2)", key=True), Column("group", "string", key=True), Column("day", "date")])
def orders(raw: DataFrame) -> DataFrame:
    typed = raw.selectExpr("int(id) orderId", "timestamp(at) at", "price Price", "`group`", "date(at) day")
    return typed.withColumn("Price", F.col("Price").cast("decimal(10,2)"))
"""


def test_repeated_keys_are_found_by_spark_and_without_it_alike(shop: Project) -> None:
    shop.table("silver.orders", KEYED)
    shop.land(
        "people/1.csv", "id,at,price,group\n1,2024-01-01,1,a\n1,2024-01-01,2,a\n1,2024-01-02,1,a\n1,2024-01-01,1,b\n"
    )
    shop.run("bronze.people")
    shop.run("silver.orders")
    env, repeated = shop.context(), {"orderId": 1, "Price": 2, "group": "a", "rows": 2}
    table = env.lakehouse.tables["shop.silver.orders"]
    (check,) = table.all_checks
    assert stored_violations(check, table, env).number == 0
    shop.land("people/2.csv", "id,at,price,group\n1,2024-01-01,2,a\n2,2024-01-01,2,a\n")
    shop.run("bronze.people")
    shop.run("silver.orders")
    by_spark = violations(check, table, env.lake, env.session())
    for found in (by_spark, stored_violations(check, table, replace(env, session=pytest.fail))):
        assert found.number == 1
        assert {name: found.some[0][name] for name in repeated} == repeated
