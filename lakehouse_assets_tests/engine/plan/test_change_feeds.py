"""A change feed that can't be read, for whatever reason, means: rebuild, and say why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

DOWNSTREAM = {
    "silver.added": "write=append(), columns=[Column('id', 'int')]",
    "silver.newest": "write=merge(on='id'), columns=[Column('id', 'int', key=True)]",
    "silver.versions": "write=history(on='id', newest='seq'),"
    " columns=[Column('id', 'int', key=True), Column('seq', 'int')]",
    "gold.counts": "write=refresh(by='id'), columns=[Column('id', 'int'), Column('n', 'bigint')]",
}


MADE = {
    "added": "selectExpr('int(id) id')",
    "newest": "selectExpr('int(id) id')",
    "versions": "selectExpr('int(id) id', '1 seq')",
    "counts": "selectExpr('int(id) id').groupBy('id').agg(F.count('*').alias('n'))",
}


@pytest.fixture
def shop(project: Project) -> Project:
    """Bronze files, and tables of each write mode that take in their changes."""
    project.bronze("o")
    for name, options in DOWNSTREAM.items():
        stem = name.split(".")[1]
        declared = f"@table(raw='bronze.o', {options})\ndef {stem}(raw: DataFrame) -> DataFrame:"
        project.table(name, f"{declared}\n    return raw.{MADE[stem]}\n")
    return project


def deliver(shop: Project, number: int) -> None:
    shop.land(f"o/{number}.csv", "id,more\n" + "".join(f"{number * 100 + i},x\n" for i in range(10)))
    shop.run("bronze.o")


def sql(shop: Project, statement: str) -> None:
    session = shop.engine.session()
    session.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    session.sql(statement.replace("{}", f"delta.`{shop.lake.table('shop.bronze.o').path}`")).collect()


def vacuumed(shop: Project) -> None:
    deliver(shop, 2)
    sql(shop, "OPTIMIZE {}")
    sql(shop, "VACUUM {} RETAIN 0 HOURS")


def switched_off_for_a_while(shop: Project) -> None:
    sql(shop, "ALTER TABLE {} SET TBLPROPERTIES (delta.enableChangeDataFeed = false)")
    deliver(shop, 2)
    sql(shop, "ALTER TABLE {} SET TBLPROPERTIES (delta.enableChangeDataFeed = true)")


def with_a_renamed_column(shop: Project) -> None:
    deliver(shop, 2)
    sql(shop, "ALTER TABLE {} SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    sql(shop, "ALTER TABLE {} RENAME COLUMN more TO other")


def without_files_that_somebody_removed(shop: Project) -> None:
    deliver(shop, 2)
    files = shop.log("bronze.o").table.file_uris()
    sql(shop, "OPTIMIZE {}")
    for name in files:
        shop.root.joinpath(name).unlink()


WAYS = [vacuumed, switched_off_for_a_while, with_a_renamed_column, without_files_that_somebody_removed]


@pytest.mark.parametrize("lose", some(WAYS, 2), ids=lambda way: way.__name__)
def test_tables_whose_input_has_no_readable_changes_are_rebuilt_and_say_why(
    shop: Project, lose: Callable[[Project], None]
) -> None:
    deliver(shop, 1)
    for name in DOWNSTREAM:
        shop.run(name)
    lose(shop)
    whole = [*range(100, 110), *range(200, 210)]
    for name in DOWNSTREAM:
        outcome = shop.run(name)
        assert outcome.plan.strategy == "full", name
        assert "shop.bronze.o" in outcome.plan.reason, name
        assert sorted(row[0] for row in shop.rows(name, "id")) == whole, name
        assert shop.run(name).plan.strategy == "nothing", name


def test_a_run_whose_rejected_rows_cannot_be_found_again_is_followed_by_a_rebuild(project: Project) -> None:
    project.bronze("o")
    project.table("silver.added", """
        @table(raw="bronze.o", write=append(), columns=[Column("id", "int")], expect=[drop("id <> 200")])
        def added(raw: DataFrame) -> DataFrame:
            return raw.selectExpr("int(id) id")
    """)  # fmt: skip
    deliver(project, 1)
    project.run("silver.added")
    deliver(project, 2)
    assert run_and_die(project, "silver.added", "before lakehouse_assets.engine.quality.quarantine:keep") == -9
    sql(project, "OPTIMIZE {}")
    sql(project, "VACUUM {} RETAIN 0 HOURS")
    plan = project.run("silver.added").plan
    assert plan.strategy == "full"
    assert plan.reason.startswith("what its last run rejected can't be found again: the changes since version 0 of")
    assert sorted(row[0] for row in project.rows("silver.added")) == [*range(100, 110), *range(201, 210)]
    assert len(project.rejected("silver.added")) == 1
    assert project.run("silver.added").plan.strategy == "nothing"
