"""A rebuild takes a table's place only if nothing is lost by it and the checks of the whole table pass."""

from __future__ import annotations

import pytest
from pyspark.sql.connect.dataframe import DataFrame

from lakehouse_assets.engine.errors import CheckFailed, WouldLose
from lakehouse_assets_tests.project import Project

COLUMNS = 'columns=[Column("id", "int", key=True), Column("at", "int"), Column("name", "string")]'
SELECT = 'return raw.selectExpr("int(id) id", "int(at) at", "name")'
MODES = {"history": 'history(on="id", newest="at")', "merge": 'merge(on="id", newest="at")', "append": "append()"}
GOLD = """
names = sql_table(people="silver.people", columns=[Column("name", "string", key=True), Column("n", "bigint")],
                  checks=[TableCheck("few", "SELECT * FROM {table} WHERE n > 2")],
                  sql="SELECT name, count(*) AS n FROM people GROUP BY name")
"""

UNPROVEN = """
names = sql_table(people="silver.people", columns=[Column("name", "string"), Column("n", "bigint")],
                  expect=[drop("n = 1", name="once")], sql="SELECT name, count(*) AS n FROM people GROUP BY name")
"""


@pytest.fixture
def people(project: Project) -> Project:
    project.bronze("people")
    return project


def declare(people: Project, mode: str) -> None:
    people.table(
        "silver.people",
        f"""
        @table(raw="bronze.people", {COLUMNS}, write={MODES[mode]})
        def people(raw: DataFrame) -> DataFrame:
            {SELECT}
        """,
    )


def land(people: Project, number: int, *lines: str) -> None:
    people.land(f"people/{number}.csv", "\n".join(["id,at,name", *lines]) + "\n")
    people.run("bronze.people")


def cut_bronze(people: Project, keep: str) -> None:
    """What someone does who cleans up bronze."""
    people.engine.session().sql(
        f"DELETE FROM delta.`{people.lake.table('shop.bronze.people').path}` WHERE NOT ({keep})"
    )


def test_versions_that_bronze_no_longer_tells_of_are_kept_unless_their_loss_is_accepted(people: Project) -> None:
    declare(people, "history")
    land(people, 1, "1,1,Ann", "2,1,Bob", "3,1,Cid")
    people.run("silver.people")
    land(people, 2, "1,2,Anna")
    people.run("silver.people")
    before = people.rows("silver.people", "id", "name", "valid_from", "valid_to")
    cut_bronze(people, "name <> 'Ann'")
    with pytest.raises(WouldLose, match=r"delete at version 2\): 1 versions it has would be gone, .*--accept-loss"):
        people.run("silver.people")
    assert people.rows("silver.people", "id", "name", "valid_from", "valid_to") == before
    people.run("silver.people", accept_loss=True)
    assert people.rows("silver.people", "id", "name") == [(1, "Anna"), (2, "Bob"), (3, "Cid")]


@pytest.mark.parametrize("mode", ["merge", "append"])
def test_a_rebuild_that_would_leave_less_than_half_the_rows_is_refused(people: Project, mode: str) -> None:
    declare(people, mode)
    land(people, 1, "1,1,Ann", "2,1,Bob", "3,1,Cid", "4,1,Dan", "5,1,Eve")
    people.run("silver.people")
    cut_bronze(people, "id IN ('1', '2', '3')")
    assert people.run("silver.people").plan.strategy == "full"
    cut_bronze(people, "id = '1'")
    with pytest.raises(WouldLose, match="it would have 1 rows in the place of 3; nothing was written"):
        people.run("silver.people")
    assert len(people.rows("silver.people")) == 3
    people.run("silver.people", full=True, accept_loss=True)
    assert people.rows("silver.people", "id") == [(1,)]


def test_a_rebuild_started_in_dagster_takes_a_person_s_word_that_the_loss_is_meant(people: Project) -> None:
    declare(people, "append")
    land(people, 1, "1,1,Ann", "2,1,Bob", "3,1,Cid")
    people.run("silver.people")
    cut_bronze(people, "id = '1'")
    assert not people.by_dagster("silver.people").success
    assert len(people.rows("silver.people")) == 3
    assert people.by_dagster("silver.people", accept_loss=True).success
    assert people.rows("silver.people", "id") == [(1,)]


def test_a_table_whose_write_mode_was_changed_is_rebuilt(people: Project) -> None:
    declare(people, "merge")
    land(people, 1, "1,1,Ann", "1,2,Anna", "2,1,Bob")
    people.run("silver.people")
    declare(people, "history")
    outcome = people.run("silver.people")
    assert (outcome.plan.strategy, outcome.plan.reason) == (
        "full",
        "it was written as merge before, and is history now",
    )
    assert people.rows("silver.people", "name", "valid_from") == [("Ann", 1), ("Anna", 2), ("Bob", 1)]


def test_a_replaced_table_whose_check_fails_stays_as_it_was(people: Project) -> None:
    declare(people, "append")
    people.table("gold.names", GOLD)
    land(people, 1, "1,1,Ann", "2,1,Ann", "3,1,Bob")
    people.run("silver.people")
    people.run("gold.names")
    land(people, 2, "4,1,Ann")
    people.run("silver.people")
    with pytest.raises(CheckFailed, match=r"check 'few' finds 1 violations, as .*'Ann'.*; version 0 stays in place"):
        people.run("gold.names")
    assert people.rows("gold.names") == [("Ann", 2), ("Bob", 1)]
    result = people.by_dagster("gold.names")
    assert not result.success
    evaluations = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert evaluations == {"few": False}


def test_a_replaced_table_with_nothing_to_prove_has_the_new_rows_and_what_they_break(people: Project) -> None:
    declare(people, "append")
    people.table("gold.names", UNPROVEN)
    for number, lines in enumerate((["1,1,Ann", "2,1,Bob"], ["3,1,Bob", "4,1,Eve"]), 1):
        land(people, number, *lines)
        people.run("silver.people")
        outcome = people.run("gold.names")
    assert (outcome.counts.judged, outcome.counts.rejected) == (3, 1)
    assert people.rows("gold.names") == [("Ann", 1), ("Eve", 1)]
    assert people.rejected("gold.names", "row", "broken") == [('{"name":"Bob","n":2}', ["once"])]


@pytest.mark.parametrize(("text", "copies"), [(GOLD, 1), (UNPROVEN, 0)], ids=["to audit", "nothing to audit"])
def test_new_rows_are_kept_while_they_are_proven_and_else_written_as_computed(
    people: Project, monkeypatch: pytest.MonkeyPatch, text: str, copies: int
) -> None:
    declare(people, "append")
    people.table("gold.names", text)
    land(people, 1, "1,1,Ann", "2,1,Bob")
    people.run("silver.people")
    people.run("gold.names")
    kept: list[DataFrame] = []
    persist = DataFrame.persist
    monkeypatch.setattr(DataFrame, "persist", lambda rows: kept.append(rows) or persist(rows))
    people.run("gold.names", full=True)
    assert len(kept) == copies


def test_checks_that_a_rebuild_passed_are_told_to_dagster_as_passed(people: Project) -> None:
    declare(people, "append")
    people.table("gold.names", GOLD)
    land(people, 1, "1,1,Ann", "2,1,Bob")
    people.run("silver.people")
    people.run("gold.names")
    land(people, 2, "4,1,Ann")
    people.run("silver.people")
    result = people.by_dagster("gold.names")
    assert result.success
    evaluations = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert evaluations == {"name_not_null": True, "unique_key": True, "few": True}
