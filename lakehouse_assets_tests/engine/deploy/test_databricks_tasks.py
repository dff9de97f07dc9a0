"""Tasks that make tables, judged by Databricks' own definitions, as jobs and as bundles have them."""

from __future__ import annotations

from typing import Any

import pytest
from databricks.bundles.jobs import Job
from databricks.sdk.service.jobs import SubmitTask

from lakehouse_assets.cli.generate import declared_for_bundle
from lakehouse_assets.engine.deploy.databricks_bundle import databricks_bundle
from lakehouse_assets.engine.deploy.databricks_tasks import Place, task_of
from lakehouse_assets_tests.project import Project

TASKS = [
    'Notebook("/Shared/ratings", {"least": "4"})',
    'SqlFile("/Shared/ratings.sql", "w1", {"least": "4"})',
    'Jar("com.shop.Ratings", ["/Volumes/a/b/c/ratings.jar"], ["--least", "4"])',
]
COMPUTES = ["Cluster(workers=2, minutes=30)", 'ExistingCluster("0101-abc", minutes=5)', "Serverless()"]


def ratings(project: Project, task: str, compute: str) -> dict[str, Any]:
    """The task of a table that reads `silver.orders`, which the tasks of the bundle are held to."""
    project.bronze("orders")
    project.table("silver.orders", 'orders = sql_table(r="bronze.orders", sql="SELECT * FROM r")')
    project.table("gold.ratings", f'ratings = task_table(task={task}, orders="silver.orders", compute={compute})')
    project.table("gold.best", 'best = sql_table(r="gold.ratings", sql="SELECT * FROM r")')
    project.external("gold.sold", "/mnt/sold", 'r="gold.ratings"')
    lakehouse = project.lakehouse
    return task_of(lakehouse.tables["shop.gold.ratings"], lakehouse, lambda key: Place(f"/lake/{key}", f"main.{key}"))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("compute", COMPUTES)
def test_databricks_knows_every_field_of_a_task(project: Project, task: str, compute: str) -> None:
    if "Jar" in task and "Serverless" in compute:
        return  # which is reported as a problem
    made = ratings(project, task, compute)
    assert SubmitTask.from_dict(made).as_dict() == made
    told = str(made)
    where = ["output", "main.shop.gold.ratings", "output_path", "/lake/shop.gold.ratings", "full_refresh", "false",
             "orders", "main.shop.silver.orders", "orders_path", "/lake/shop.silver.orders", "least", "4"]  # fmt: skip
    assert [text for text in where if text not in told] == []
    on = [name for name in ("new_cluster", "existing_cluster_id", "environment_key") if name in made]
    serverless = "sql_task" in made or "Serverless" in compute
    assert on == [] if serverless else len(on) == 1
    job = databricks_bundle(declared_for_bundle(project.lakehouse, "d"))["resources"]["jobs"]["shop"]
    assert Job.from_dict(job).as_dict() == job


def test_a_bundle_runs_the_task_and_looks_at_what_it_made_before_the_readers_begin(project: Project) -> None:
    ratings(project, TASKS[0], COMPUTES[0])
    job = databricks_bundle(declared_for_bundle(project.lakehouse, "d"))["resources"]["jobs"]["shop"]
    tasks = {task["task_key"]: task for task in job["tasks"]}
    before = {key: [it["task_key"] for it in task.get("depends_on", [])] for key, task in tasks.items()}
    assert before == {
        "shop_bronze_orders": [], "shop_silver_orders": ["shop_bronze_orders"],
        "shop_gold_ratings-made": ["shop_silver_orders"], "shop_gold_ratings": ["shop_gold_ratings-made"],
        "shop_gold_best": ["shop_gold_ratings"],
    }  # fmt: skip
    made, look = tasks["shop_gold_ratings-made"], tasks["shop_gold_ratings"]
    assert made["job_cluster_key"] == look["job_cluster_key"]  # started once
    assert look["python_wheel_task"]["parameters"][:2] == ["shop.gold.ratings", "--after-task"]
    told = made["notebook_task"]["base_parameters"]
    assert (told["orders"], told["output_path"]) == (
        "${var.catalog}.shop_silver.orders", "${var.lake}/shop/gold/ratings"
    )  # fmt: skip


def test_the_task_of_a_bundle_is_told_where_a_table_of_others_is(project: Project) -> None:
    project.external("gold.sold", "/mnt/sold")
    project.table("gold.ratings", 'ratings = task_table(task=Notebook("/Shared/r"), sold="gold.sold")')
    job = databricks_bundle(declared_for_bundle(project.lakehouse, "d"))["resources"]["jobs"]["shop"]
    told = job["tasks"][0]["notebook_task"]["base_parameters"]
    assert (told["sold"], told["sold_path"]) == ("delta.`/mnt/sold`", "/mnt/sold")
