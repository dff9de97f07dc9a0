"""What a workspace on loopback has beside its jobs and files: a user and its groups, runtimes, nodes, policies, pools,
clusters, and a Unity Catalog.

A test puts what it has otherwise into the file account.json of the workspace's folder, in the place of parts of `HAS`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Answer = tuple[int, Any]
HAS: Json = {
    "me": {"id": "1", "userName": "ann@example.com", "entitlements": [{"value": "allow-cluster-create"}], "groups": []},
    "groups": {},
    "runtimes": {
        "17.3.x-scala2.13": "17.3 LTS (includes Apache Spark 4.0.0, Scala 2.13)",
        "17.3.x-photon-scala2.13": "17.3 LTS Photon (includes Apache Spark 4.0.0, Scala 2.13)",
        "16.4.x-scala2.12": "16.4 LTS (includes Apache Spark 3.5.2, Scala 2.12)",
    },
    "nodes": {"Standard_D4ds_v5": []},  # by their type, what keeps Azure from giving them
    "policies": {},
    "pools": {},
    "clusters": {},
    "owners": {},  # of catalogs and schemas by their names; None where that is another user
    "grants": {},  # what is held by a principal, by `kind/name`
    "locations": [],
}


def answer_of_account(folder: Path, path: str, asked: Json) -> Answer | None:
    """The status and the answer to a request; None if it's about something else."""
    told = folder / "account.json"
    has = {**HAS, **(json.loads(told.read_text()) if told.exists() else {})}
    if path.startswith("/api/2.0/preview/scim/v2/"):
        return _of_people(has, path.removeprefix("/api/2.0/preview/scim/v2/"))
    if path.startswith("/api/2.1/unity-catalog/"):
        return _of_catalog(has, path.removeprefix("/api/2.1/unity-catalog/"), asked)
    match path:
        case "/api/2.1/clusters/spark-versions":
            return 200, {"versions": [{"key": key, "name": name} for key, name in has["runtimes"].items()]}
        case "/api/2.1/clusters/list-node-types":
            return 200, {"node_types": [_node_type(name, status) for name, status in has["nodes"].items()]}
        case "/api/2.1/clusters/get":
            name = asked["cluster_id"]
            if name in has["clusters"]:
                return 200, {"cluster_id": name, "state": "TERMINATED", **has["clusters"][name]}
            # Databricks answers so, and not by 404.
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": f"Cluster {name} does not exist"}
        case "/api/2.0/policies/clusters/get":
            return _named(has["policies"], asked["policy_id"], "policy_id", "name")
        case "/api/2.0/instance-pools/get":
            return _named(has["pools"], asked["instance_pool_id"], "instance_pool_id", "instance_pool_name")
    return None


def _node_type(name: str, status: list[str]) -> Json:
    size = {"memory_mb": 16384, "num_cores": 4.0, "description": name, "category": "General Purpose"}
    return {"node_type_id": name, "instance_type_id": name, **size, "node_info": {"status": status}}


def _named(there: Json, key: str, field: str, called: str) -> Answer:
    return (200, {field: key, called: there[key]}) if key in there else _missing(key)


def _missing(what: str) -> Answer:
    return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"{what} does not exist"}


def _of_people(has: Json, path: str) -> Answer:
    if path == "Me":
        return 200, has["me"]
    group = path.removeprefix("Groups/")
    return (200, {"id": group, **has["groups"][group]}) if group in has["groups"] else _missing(group)


def _of_catalog(has: Json, path: str, asked: Json) -> Answer | None:
    kind, _, name = path.partition("/")
    match kind:
        case "catalogs" | "schemas":
            there = name in has["owners"]
            return (200, {"name": name, "owner": has["owners"][name] or "bob@example.com"}) if there else _missing(name)
        case "external-locations":
            return 200, {"external_locations": has["locations"]}
        case "effective-permissions":
            held = has["grants"].get(name, {}).get(asked["principal"], [])
            given = {"principal": asked["principal"], "privileges": [{"privilege": it} for it in held]}
            return 200, {"privilege_assignments": [given] if held else []}
    return None
