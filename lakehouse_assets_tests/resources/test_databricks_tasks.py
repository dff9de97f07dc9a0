"""Tables that tasks of Databricks make: notebooks, files of SQL and JARs, which the workspace here really runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from lakehouse_assets.engine.compile.assets import build_asset
from lakehouse_assets.engine.lake.tables import in_catalog
from lakehouse_assets.resources.databricks_runner import on_databricks
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.resources.jobs import Jobs, failure
from lakehouse_assets_tests.servers.databricks import Databricks
from lakehouse_assets_tests.servers.waiting import wait_until

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RATED = """
ratings = task_table(task={task}, orders="silver.orders", checks=[volume()],
                     columns=[Column("id", "int", key=True), Column("stars", "int", nullable=False)])
"""
NOTEBOOK = 'Notebook("/Shared/ratings", {"least": "4"})'
CODE = """
told = dbutils.widgets.getAll()
orders = spark.read.format("delta").load(told["orders_path"])
rows = orders.selectExpr("id", "amount AS stars").where(f"amount > {told['least']}")
rows.write.format("delta").mode("overwrite").save(told["output_path"])
"""
QUERY = """
CREATE OR REPLACE TABLE IDENTIFIER('delta.`' || :output_path || '`') USING delta AS
SELECT id, amount AS stars FROM IDENTIFIER(:orders) WHERE amount > :least
"""
JAR = """
import sys
from pyspark.sql import SparkSession
told = dict(zip(sys.argv[1::2], sys.argv[2::2]))
spark = SparkSession.builder.getOrCreate()
spark.sql(f"CREATE TABLE {told['--output']} USING delta AS SELECT id, amount AS stars FROM {told['--orders']} "
          f"WHERE amount > {told['--least']}").collect()
"""


@pytest.fixture
def rated(project: Project, jobs: Jobs) -> Project:
    """`gold.ratings`, made by a notebook from `silver.orders`, which is built."""
    project.table("gold.ratings", RATED.format(task=NOTEBOOK))
    jobs.workspace.put("/Shared/ratings.py", CODE)
    for name in ("bronze.orders", "silver.orders"):
        project.run(name)
    return project


def shown(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_a_table_that_a_notebook_makes_is_told_of_like_any_other(rated: Project, jobs: Jobs) -> None:
    done = jobs.run("gold.ratings")
    assert done.success
    assert rated.rows("gold.ratings") == [(1, 5), (3, 7)]
    told = shown(done)
    assert (told["strategy"], told["dagster/row_count"], told["delta_version"]) == ("task", 2, 0)
    assert told["reason"] == "the notebook /Shared/ratings made version 0"
    assert told["databricks_run"] == f"{jobs.workspace.address}/jobs/runs/{told['databricks_run_id']}"
    assert "7" in str(told["preview"])
    checks = {c.check_name: c.passed for c in done.get_asset_check_evaluations()}
    assert checks == {"id_not_null": True, "stars_not_null": True, "unique_key": True, "volume": True}
    made, look = jobs.workspace.seen["jobs"][-1]["tasks"]
    assert look["depends_on"] == [{"task_key": made["task_key"]}]
    assert made["notebook_task"]["base_parameters"]["full_refresh"] == "false"


@pytest.fixture
def named(rated: Project, jobs: Jobs) -> Iterator[Jobs]:
    """Jobs whose tables are in Spark's own catalog too."""
    spark = rated.engine.session()
    rated.lake = replace(rated.lake, catalog="spark_catalog")
    assert in_catalog(spark, rated.lake.table("shop.silver.orders"))
    yield Jobs(rated, jobs.workspace)
    for layer in ("silver", "gold"):
        spark.sql(f"DROP SCHEMA IF EXISTS spark_catalog.shop_{layer} CASCADE").collect()


def test_a_file_of_sql_reads_by_name_and_its_table_is_in_the_catalog(rated: Project, named: Jobs, jobs: Jobs) -> None:
    rated.table("gold.ratings", RATED.format(task='SqlFile("/Shared/ratings.sql", "w1", {"least": "4"})'))
    named.workspace.put("/Shared/ratings.sql", QUERY)
    assert named.run("gold.ratings").success
    assert rated.engine.session().table("spark_catalog.shop_gold.ratings").count() == 2
    assert rated.rows("gold.ratings") == [(1, 5), (3, 7)]
    rated.lake = replace(rated.lake, catalog="")
    said = failure(jobs.run("gold.ratings"))
    assert "reads shop.silver.orders by name, and it has none; set LAKEHOUSE_CATALOG" in said


def test_a_jar_is_told_by_its_arguments(rated: Project, jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "ratings.jar").write_text(JAR)
    jar = f'Jar("com.shop.Ratings", [{str(tmp_path / "ratings.jar")!r}], ["--least", "4"])'
    rated.table("gold.ratings", RATED.format(task=jar))
    assert jobs.run("gold.ratings").success
    assert rated.rows("gold.ratings") == [(1, 5), (3, 7)]


def test_a_task_that_makes_no_new_version_is_told_to_have_changed_nothing(rated: Project, jobs: Jobs) -> None:
    jobs.run("gold.ratings")
    jobs.workspace.put("/Shared/ratings.py", "")
    with dg.DagsterInstance.ephemeral() as instance:
        done = jobs.run("gold.ratings", instance=instance)
    assert done.success
    told = shown(done)
    assert told["reason"] == "unchanged: the notebook /Shared/ratings made no new version of it"
    assert (told["delta_version"], told["dagster/row_count"]) == (0, 2)
    assert len(list(done.get_asset_check_evaluations())) == 4  # the run before may have ended before it judged it


OTHER = CODE.replace('"overwrite")', '"overwrite").option("overwriteSchema", "true")')
SPOILT = [
    ("", ["ended well, and there is no Delta table at {place}"]),
    (OTHER.replace('"id", "amount AS stars"', '"bigint(id) id", "amount AS star"'),
     ["'id' is bigint, declared int", "'stars' is missing (did you mean 'star'?)"]),
    ("1 / 0", ["ZeroDivisionError: division by zero"]),
]  # fmt: skip


def test_a_task_whose_table_is_not_as_declared_fails_the_step_and_says_how(rated: Project, jobs: Jobs) -> None:
    place = rated.lake.table("shop.gold.ratings").path
    for code, found in SPOILT:
        jobs.workspace.put("/Shared/ratings.py", code)
        said = failure(jobs.run("gold.ratings"))
        assert [why for why in found if why.format(place=place) not in said] == []
        assert f"{jobs.workspace.address}/jobs/runs/" in said


def test_nulls_and_repeated_keys_of_a_task_are_found_by_its_checks(rated: Project, jobs: Jobs) -> None:
    jobs.workspace.put("/Shared/ratings.py", CODE.replace('"id", "amount AS stars"', '"1 AS id", "int(null) AS stars"')
                       .replace(".where(f\"amount > {told['least']}\")", ""))  # fmt: skip
    done = jobs.run("gold.ratings")
    found = {c.check_name: (c.passed, c.severity.value) for c in done.get_asset_check_evaluations()}
    assert found["stars_not_null"] == (False, "WARN")
    assert found["unique_key"] == (False, "ERROR")
    assert len(rated.rows("gold.ratings")) == 2  # as the task wrote them


def test_readers_follow_a_task_by_its_change_feed_or_are_rebuilt_and_say_why(
    rated: Project, jobs: Jobs, spark: SparkSession
) -> None:
    reader = '@table(r="gold.ratings", columns=[Column("id", "int", key=True), Column("stars", "int")],\n'
    rated.table("gold.best", f'{reader} write=merge(on="id", newest="stars"))\ndef best(r):\n    return r\n')
    made = f"delta.`{rated.lake.table('shop.gold.ratings').path}`"

    def after(statement: str = "") -> tuple[str, str]:
        if statement:
            spark.sql(statement).collect()  # as the notebook may
        plan = rated.run("gold.best", accept_loss=True).plan
        return plan.strategy, plan.reason.partition(" can't be read")[0]

    jobs.run("gold.ratings")
    assert after() == ("full", "first build")
    assert after()[0] == "nothing"
    assert after(f"INSERT INTO {made} VALUES (8, 8)") == ("full", "the changes since version 0 of shop.gold.ratings")
    after(f"ALTER TABLE {made} SET TBLPROPERTIES (delta.enableChangeDataFeed = true)")
    assert after(f"INSERT INTO {made} VALUES (9, 9)") == ("merge", "shop.gold.ratings has versions 2 to 3")
    assert rated.rows("gold.best", "id", "stars") == [(1, 5), (3, 7), (8, 8), (9, 9)]
    jobs.run("gold.ratings")
    overwritten = "shop.gold.ratings was changed by more than new rows (write overwrite at version 4)"
    assert after() == ("full", overwritten)
    assert rated.rows("gold.best", "id", "stars") == [(1, 5), (3, 7)]


def test_without_databricks_it_says_so_and_runs_what_does_not_read_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_COMPUTE", "local")
    command.project.table("gold.ratings", RATED.format(task=NOTEBOOK))
    command.project.table("gold.best", 'best = sql_table(r="gold.ratings", sql="SELECT * FROM r")')
    said = command("run")
    assert said.code == 1
    assert "it is made by the notebook /Shared/ratings on Databricks; set LAKEHOUSE_COMPUTE=databricks" in said.out
    assert "gold.best  skipped: shop.gold.ratings failed" in said.out
    assert len(command.project.rows("silver.orders")) == 2
    assert "the notebook /Shared/ratings knows what is new" in command("plan").out
    said = command("verify", "gold.ratings")
    assert (said.code, "so it can't be computed here" in said.out) == (1, True)


def test_a_task_of_a_domain_that_runs_as_one_job_is_a_job_of_its_own(rated: Project, jobs: Jobs) -> None:
    domain = rated.root / rated.package / "shop" / "__init__.py"
    domain.write_text(domain.read_text().replace("timedelta(days=1))", "timedelta(days=1), run_as_one_job=True)"))
    rated.table("gold.best", 'best = sql_table(r="gold.ratings", sql="SELECT * FROM r")')
    rated.table("gold.all", 'all = sql_table(r="silver.orders", sql="SELECT * FROM r")')
    lakehouse, before = rated.lakehouse, len(jobs.workspace.seen["jobs"])
    made = [build_asset(table, lakehouse, on_databricks(lakehouse)) for table in lakehouse.tables.values()]
    assert dg.materialize(made, resources={**rated.resources, "databricks": jobs.resource}).success
    names = [job["run_name"] for job in jobs.workspace.seen["jobs"][before:]]
    assert sorted(names) == ["shop", "shop", "shop.gold.ratings"]  # before it, and what reads it
    assert rated.rows("gold.best") == rated.rows("gold.ratings")


def test_a_task_whose_inputs_are_not_there_is_not_run(project: Project, jobs: Jobs) -> None:
    project.table("gold.ratings", RATED.format(task=NOTEBOOK))
    before = len(jobs.workspace.seen["jobs"])
    done = jobs.run("gold.ratings")
    assert done.success
    assert not done.get_asset_materialization_events()
    assert len(jobs.workspace.seen["jobs"]) == before


WAITS = """
import time
from pathlib import Path
Path({mark!r}).touch()
while not Path({go!r}).exists():
    time.sleep(0.1)
"""


def test_a_task_that_outlives_its_dagster_is_adopted_and_run_once(
    rated: Project, command: Command, databricks: Databricks, tmp_path: Path
) -> None:
    mark, go = tmp_path / "mark", tmp_path / "go"
    databricks.put("/Shared/ratings.py", CODE)
    assert command("run", "gold.ratings").code == 0
    databricks.put("/Shared/ratings.py", CODE + WAITS.format(mark=str(mark), go=str(go)))
    before = len(databricks.seen["jobs"])
    with command.started("run", "gold.ratings") as process:
        wait_until(mark.exists, 120)
        process.kill()
        process.wait(timeout=10)
    go.touch()  # its version is written by then, and so is another than before
    said = command("run", "gold.ratings")
    assert said.code == 0, said
    assert "made version 1" in said.out
    assert len(databricks.seen["jobs"]) == before + 1
    assert rated.log("gold.ratings").version == 1
