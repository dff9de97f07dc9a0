"""Runs that read little are interpreted, others are compiled, and the session is left as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakehouse_assets.engine.errors import ExpectationFailed
from lakehouse_assets.engine.plan.small_runs import LITTLE
from lakehouse_assets_tests.project import Project

COMPILED, ADAPTIVE = "spark.sql.codegen.wholeStage", "spark.sql.adaptive.enabled"
# Each row says whether its query was to be compiled, and planned anew after each stage.
TABLE = f"""
@table(raw="bronze.orders", write=append(),
    columns=[Column("id", "int"), Column("compiled", "string"), Column("adaptive", "string")],
    expect=[fail("id > 0", name="positive")])
def orders(raw: DataFrame) -> DataFrame:
    conf = raw.sparkSession.conf
    compiled, adaptive = conf.get("{COMPILED}"), conf.get("{ADAPTIVE}")
    return raw.selectExpr("int(id) id", f"'{{compiled}}' compiled", f"'{{adaptive}}' adaptive")
"""


@pytest.fixture
def shop(project: Project) -> Iterator[Project]:
    conf = project.engine.session().conf
    little = conf.get(LITTLE)  # the engine's, which to unset would take from the session
    for setting in (COMPILED, ADAPTIVE):
        conf.set(setting, "true")  # tests interpret everything, to be faster
    project.bronze("orders")
    project.table("silver.orders", TABLE)
    yield project
    conf.set(LITTLE, str(little))


def arrive(shop: Project, number: int) -> None:
    shop.land(f"orders/{number}.csv", f"id\n{number}\n")
    shop.run("bronze.orders")
    shop.run("silver.orders")


def test_a_run_that_reads_little_is_interpreted_and_one_that_reads_more_is_compiled(shop: Project) -> None:
    conf = shop.engine.session().conf
    arrive(shop, 1)
    after_the_first = conf.get(COMPILED), conf.get(ADAPTIVE)
    conf.set(LITTLE, str(shop.log("bronze.orders").bytes))  # which is less than that and the silver table together
    arrive(shop, 2)
    conf.set(LITTLE, "0")  # as on any engine that isn't ours
    arrive(shop, 3)
    told = shop.rows("silver.orders", "id", "compiled", "adaptive")
    assert told == [(1, "false", "false"), (2, "true", "true"), (3, "true", "true")]
    assert (after_the_first, conf.get(COMPILED)) == (("true", "true"), "true")


def test_a_run_that_fails_leaves_the_session_as_it_was(shop: Project) -> None:
    with pytest.raises(ExpectationFailed):
        arrive(shop, 0)
    conf = shop.engine.session().conf
    assert (conf.get(COMPILED), conf.get(ADAPTIVE)) == ("true", "true")
