"""What `lakehouse doctor` asks a workspace of what computes the tables: runtimes, nodes, policies, pools, rights."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING

from lakehouse_assets.engine.deploy.databricks_job import compute_of
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.spec.compute import RUNTIME, SPARK, Cluster, Compute, ExistingCluster, Serverless
from lakehouse_assets.resources.trials import Untold

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.iam import ComplexValue

Look = Callable[["WorkspaceClient"], str]
CREATE = "allow-cluster-create"
# By these names a cluster has Unity Catalog, without which it reaches neither the volume nor a catalog.
_SHARED = {"USER_ISOLATION", "DATA_SECURITY_MODE_STANDARD"}
_OF_ONE = {"SINGLE_USER", "DATA_SECURITY_MODE_DEDICATED", "DATA_SECURITY_MODE_AUTO"}


def looks_at_compute(lakehouse: Lakehouse) -> Iterator[tuple[str, Look]]:
    """What is asked, each thing that is declared once."""
    computes = dict.fromkeys(compute_of(table, lakehouse) for table in lakehouse.runnable.values())
    made = [it for it in computes if isinstance(it, Cluster)]
    yield "Databricks rights", partial(_rights, [it for it in made if not it.policy])
    yield from (("Databricks runtime", partial(_runtime, name)) for name in dict.fromkeys(it.runtime for it in made))
    yield from (("Databricks nodes", partial(_node_type, name)) for name in _node_types(made))
    yield from (("Databricks policy", partial(_policy, name)) for name in _named(it.policy for it in made))
    yield from (("Databricks pool", partial(_pool, name)) for name in _named(it.pool for it in made))
    yield from (it for compute in computes for it in _look_at(compute))


def _look_at(compute: Compute) -> Iterator[tuple[str, Look]]:
    match compute:
        case ExistingCluster():
            yield "Databricks cluster", partial(_existing, compute.id)
        case Serverless():
            yield "Databricks serverless", partial(_serverless, compute.environment)


def _node_types(clusters: Collection[Cluster]) -> list[str]:
    """Those that clusters name; a pool decides by itself."""
    return _named(name for it in clusters if not it.pool for name in (it.node_type, it.driver_type))


def _named(names: Iterator[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name]


def _rights(clusters: Collection[Cluster], client: WorkspaceClient) -> str:
    me = client.current_user.me()
    if not clusters:
        return "no cluster is declared that a user needs a right of its own to create"
    groups = me.groups or []
    if CREATE in _values(me.entitlements) or "admins" in {group.display for group in groups}:
        return f"{me.user_name} may create clusters"
    by_group = {_entitled(group.value or "", client) for group in groups}
    if True in by_group:
        return f"{me.user_name} may create clusters, by a group of its"
    if None in by_group:
        raise Untold(
            f"{me.user_name} may not create clusters by itself, and can't see whether by a group; ask an admin"
        )
    raise LakehouseError(
        f"{me.user_name} may not create clusters; have an admin give it the entitlement {CREATE}, or declare "
        "Cluster(policy=…) with the id of a policy that it may use, or Serverless() or ExistingCluster(…)"
    )


def _entitled(group: str, client: WorkspaceClient) -> bool | None:
    """Whether the members of a group may create clusters; None where this user may not see that."""
    from databricks.sdk.errors import NotFound, PermissionDenied

    try:
        return CREATE in _values(client.groups.get(group).entitlements)
    except (NotFound, PermissionDenied):  # a group of the account isn't found by its id
        return None


def _values(found: list[ComplexValue] | None) -> set[str | None]:
    return {it.value for it in found or []}


def _runtime(runtime: str, client: WorkspaceClient) -> str:
    names = _runtimes(client)
    if runtime not in names:
        raise LakehouseError(f"there is no runtime {runtime} here; declare Cluster(runtime=…), such as {RUNTIME}")
    if (spark := _spark_of(runtime, names)) != SPARK:
        raise LakehouseError(
            f"{runtime} has Spark {spark}, and Spark {SPARK} is needed; declare one that has, as {RUNTIME}"
        )
    return f"{runtime}: {names[runtime]}"


def _runtimes(client: WorkspaceClient) -> dict[str, str]:
    return {it.key or "": it.name or "" for it in client.clusters.spark_versions().versions or []}


def _spark_of(runtime: str, names: dict[str, str]) -> str:
    """The line of Spark that a runtime has by its description; of one that is listed no more, by its own line."""
    told = re.search(r"Apache Spark (\d+\.\d+)", names.get(runtime, ""))
    if told:
        return told[1]
    return SPARK if runtime.split(".")[0] == RUNTIME.split(".")[0] else "of another line"


def _node_type(name: str, client: WorkspaceClient) -> str:
    found = next((it for it in client.clusters.list_node_types().node_types or [] if it.node_type_id == name), None)
    if found is None:
        raise LakehouseError(
            f"there are no nodes of the type {name} here; declare Cluster(node_type=…) of one there is"
        )
    refused = [status.value for status in (found.node_info and found.node_info.status) or []]
    if refused:
        raise LakehouseError(
            f"{name} can't be had: {', '.join(refused)}; have Azure enable it for the subscription and the region, or "
            "declare another node_type"
        )
    return f"{name}: {found.num_cores:g} cores, {found.memory_mb / 1024:g} GB"


def _policy(policy: str, client: WorkspaceClient) -> str:
    from databricks.sdk.errors import NotFound

    try:
        return f"{policy}: {client.cluster_policies.get(policy).name}"
    except NotFound:
        raise LakehouseError(f"there is no policy {policy}; declare Cluster(policy=…) with the id of one") from None


def _pool(pool: str, client: WorkspaceClient) -> str:
    from databricks.sdk.errors import NotFound

    try:
        return f"{pool}: {client.instance_pools.get(pool).instance_pool_name}"
    except NotFound:
        raise LakehouseError(f"there is no pool {pool}; declare Cluster(pool=…) with the id of one") from None


def _existing(cluster: str, client: WorkspaceClient) -> str:
    from databricks.sdk.errors import NotFound

    try:
        found = client.clusters.get(cluster)
    except NotFound:
        raise LakehouseError(f"there is no cluster {cluster}; declare ExistingCluster(…) with the id of one") from None
    spark = _spark_of(found.spark_version or "", _runtimes(client))
    if spark != SPARK:
        raise LakehouseError(
            f"{cluster} has {found.spark_version}, whose Spark is {spark}; give it one with Spark {SPARK}, as {RUNTIME}"
        )
    mode = found.data_security_mode.value if found.data_security_mode else "no mode"
    if mode not in _SHARED | _OF_ONE:
        raise LakehouseError(
            f"{cluster} has the access mode {mode}, in which it reaches no volume and no catalog; set it to Standard "
            "or Dedicated"
        )
    _refuse_anothers(cluster, found.single_user_name if mode in _OF_ONE else None, client)
    return f"{cluster}: {found.spark_version}, {mode}"


def _refuse_anothers(cluster: str, owner: str | None, client: WorkspaceClient) -> None:
    me = client.current_user.me()
    if owner and owner not in {me.user_name, *(group.display for group in me.groups or [])}:
        raise LakehouseError(
            f"{cluster} is dedicated to {owner}, so {me.user_name} can't run jobs on it; dedicate it to "
            f"{me.user_name}, or to a group that it's in, or set the access mode to Standard"
        )


def _serverless(environment: str, _: WorkspaceClient) -> str:
    raise Untold(f"environment {environment}: a workspace has no list of those that it has; a run tells")
