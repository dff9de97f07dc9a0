"""Tasks of Databricks jobs, judged by Databricks' own definition of a job."""

from __future__ import annotations

from typing import Any

import pytest
from databricks.bundles.jobs import Job
from databricks.sdk.service.jobs import JobEnvironment, SubmitTask

from lakehouse_assets.engine import Cluster, ExistingCluster, Serverless
from lakehouse_assets.engine.deploy.databricks_job import Program, environments, new_cluster, task
from lakehouse_assets.engine.spec.compute import Compute

PROGRAM = Program(("shop.silver.orders", "--lake", "abfss://…"), ("/Volumes/a.whl", "/b.whl"))
COMPUTES: list[Compute] = [
    Cluster(), Cluster(workers=0), Cluster(workers=(2, 8), spot=True, photon=True, policy="p1", minutes=90),
    Cluster(pool="pool-1", driver_type="Standard_D8ds_v5", spark={"spark.a": "b"}, tags={"team": "shop"}),
    ExistingCluster("0101-abc", minutes=5), Serverless(), Serverless(environment="5", minutes=1),
]  # fmt: skip


@pytest.mark.parametrize("compute", COMPUTES, ids=repr)
def test_a_task_is_one_that_databricks_knows_every_field_of(compute: Compute) -> None:
    made = task("orders", PROGRAM, compute, after=["raw"])
    of_job: dict[str, Any] = {"tasks": [made], "environments": environments(compute, PROGRAM.wheels)}
    assert Job.from_dict(of_job).as_dict() == {name: value for name, value in of_job.items() if value}
    assert SubmitTask.from_dict(made).as_dict() == made
    for it in of_job["environments"]:
        assert JobEnvironment.from_dict(it).as_dict() == it


def test_a_driver_without_workers_is_told_that_it_computes() -> None:
    made = new_cluster(Cluster(workers=0, spark={"spark.a": "b"}))
    assert made["spark_conf"] == {
        "spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]", "spark.a": "b",
    }  # fmt: skip
    assert (made["num_workers"], made["custom_tags"]) == (0, {"ResourceClass": "SingleNode"})


def test_wheels_are_libraries_of_a_cluster_and_dependencies_of_an_environment() -> None:
    assert task("orders", PROGRAM, Cluster())["libraries"] == [{"whl": "/Volumes/a.whl"}, {"whl": "/b.whl"}]
    assert environments(Cluster(), PROGRAM.wheels) == []
    assert "libraries" not in task("orders", PROGRAM, Serverless())
    (only,) = environments(Serverless(), PROGRAM.wheels)
    assert only["spec"]["dependencies"] == ["/Volumes/a.whl", "/b.whl"]


@pytest.mark.parametrize("workers", [-1, (3, 1), (0, 0), (-1, 2)])
def test_workers_that_make_no_cluster_are_refused(workers: Any) -> None:
    with pytest.raises(ValueError, match="give a number, or the least and the most of them"):
        Cluster(workers=workers)
