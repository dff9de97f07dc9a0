"""The task of a Databricks job that runs tables, as the Jobs API takes it, for runs by Dagster and for bundles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.spec.compute import Cluster, Compute, ExistingCluster, Serverless
from lakehouse_assets.engine.spec.models.model import Model
from lakehouse_assets.engine.spec.table import Table

PACKAGE = "lakehouse-assets"
RUN_ASSET = "lakehouse-run-asset"
MAINTAIN = "lakehouse-maintain"
ENVIRONMENT_KEY = "lakehouse"
# The secrets of a scope that programs take, by how their names begin; `azure-client-id` becomes AZURE_CLIENT_ID.
SECRETS = ("azure-", "lakehouse-")


@dataclass(frozen=True)
class Program:
    """What a program, the one that runs tables if nothing else is said, is given, and the wheels that it needs: that of
    this package, and those of a team's own domains.
    """

    parameters: tuple[str, ...]
    wheels: tuple[str, ...]
    name: str = RUN_ASSET


def compute_of(asset: Table | Model, lakehouse: Lakehouse) -> Compute:
    """What computes a table or a model: what it says, else its domain, else a small cluster."""
    return asset.compute or lakehouse.domains[asset.domain].compute or Cluster()


def task_key(table: str) -> str:
    """What a task for a table is called, which takes no dots."""
    return table.replace(".", "_")


def task(key: str, program: Program, compute: Compute, after: Sequence[str] = ()) -> dict[str, Any]:
    """A task, called `key`, that runs a program on some compute once the tasks `after` have succeeded."""
    return {
        "task_key": key,
        **depends_on(after),
        "python_wheel_task": {
            "package_name": PACKAGE, "entry_point": program.name, "parameters": list(program.parameters),
        },
        **_on(compute, program.wheels),
        **({"timeout_seconds": compute.minutes * 60} if compute.minutes else {}),
    }  # fmt: skip


def depends_on(after: Sequence[str]) -> dict[str, Any]:
    """What a task says of those that have to succeed before it."""
    return {"depends_on": [{"task_key": name} for name in after]} if after else {}


def environments(compute: Compute, wheels: Sequence[str]) -> list[dict[str, Any]]:
    """What a job says beside its tasks of the environments that they name; nothing where clusters run them."""
    if not isinstance(compute, Serverless):
        return []
    spec = {"environment_version": compute.environment, "dependencies": list(wheels)}
    return [{"environment_key": ENVIRONMENT_KEY, "spec": spec}]


def _on(compute: Compute, wheels: Sequence[str]) -> dict[str, Any]:
    libraries = {"libraries": [{"whl": wheel} for wheel in wheels]}
    match compute:
        case Serverless():
            return {"environment_key": ENVIRONMENT_KEY}
        case ExistingCluster():
            return {"existing_cluster_id": compute.id, **libraries}
        case Cluster():
            return {"new_cluster": new_cluster(compute), **libraries}


def new_cluster(cluster: Cluster) -> dict[str, Any]:
    """A cluster as the Clusters API takes it. Unity Catalog needs a `data_security_mode`; one user's is the freest."""
    return {
        "spark_version": cluster.runtime,
        "data_security_mode": "SINGLE_USER",
        **_nodes(cluster),
        **_workers(cluster),
        **({"runtime_engine": "PHOTON"} if cluster.photon else {}),
        **_named(policy_id=cluster.policy, apply_policy_default_values=bool(cluster.policy)),
        **_named(**_of_spark(cluster)),
    }


def _nodes(cluster: Cluster) -> dict[str, Any]:
    if cluster.pool:
        return {"instance_pool_id": cluster.pool}
    spot = {"availability": "SPOT_WITH_FALLBACK_AZURE", "first_on_demand": 1} if cluster.spot else {}
    named = _named(driver_node_type_id=cluster.driver_type, azure_attributes=spot)
    return {"node_type_id": cluster.node_type, **named}


def _workers(cluster: Cluster) -> dict[str, Any]:
    if isinstance(cluster.workers, tuple):
        return {"autoscale": {"min_workers": cluster.workers[0], "max_workers": cluster.workers[1]}}
    return {"num_workers": cluster.workers}


def _of_spark(cluster: Cluster) -> dict[str, Mapping[str, str]]:
    if cluster.workers:
        return {"spark_conf": cluster.spark, "custom_tags": cluster.tags}
    # A driver without workers has to be told that it computes.
    alone = {"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"}
    return {"spark_conf": {**alone, **cluster.spark}, "custom_tags": {"ResourceClass": "SingleNode", **cluster.tags}}


def _named(**told: Any) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value}
