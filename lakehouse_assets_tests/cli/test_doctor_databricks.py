"""`lakehouse doctor` says of each thing that a workspace lacks what it is, and how to get it; and of no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lakehouse_assets.cli.doctor.databricks import attempts
from lakehouse_assets.engine import Cluster, ExistingCluster, Serverless
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.spec.compute import Compute
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.resources.trials import Found, tried
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.servers.databricks import Databricks, running

STORE = "abfss://data@store.dfs.core.windows.net"
IN_SCHEMA = ["USE_SCHEMA", "CREATE_TABLE", "SELECT", "MODIFY"]
FILES = ["READ_FILES", "WRITE_FILES"]
LOCATION = {"name": "store", "url": f"{STORE}/", "owner": "bob@example.com"}
HAS: dict[str, Any] = {
    "owners": {"main": None, "main.airlines_bronze": None},
    "grants": {
        "catalog/main": {"account users": ["USE_CATALOG"], "engineers": ["CREATE_SCHEMA"]},
        "schema/main.airlines_bronze": {"ann@example.com": IN_SCHEMA},
        "external_location/store": {"ann@example.com": [*FILES, "CREATE_EXTERNAL_TABLE"]},
    },
    "me": {
        "id": "1", "userName": "ann@example.com", "groups": [{"value": "7", "display": "engineers"}],
        "entitlements": [{"value": "allow-cluster-create"}],
    },
    "policies": {"P1": "jobs of the lakehouse"},
    "pools": {"pool-1": "warm"},
    "clusters": {"0101-abc": {"spark_version": "17.3.x-photon-scala2.13", "data_security_mode": "USER_ISOLATION"}},
}  # fmt: skip
SECRETS = {"shop": {"azure-tenant-id": "t", "azure-client-id": "c", "azure-client-secret": "s", "lakehouse-url": "u"}}
COMPUTES = (
    Cluster(), Cluster(policy="P1", pool="pool-1", node_type="of a pool"), Serverless(), ExistingCluster("0101-abc"),
)  # fmt: skip


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databricks]:
    with running(tmp_path_factory.mktemp("workspace"), "sc://nowhere") as made:
        yield made


@pytest.fixture
def workspace(started: Databricks, monkeypatch: pytest.MonkeyPatch) -> Databricks:
    """A workspace that lacks nothing of what is declared, and the way to it in the environment."""
    (started.folder / "volume" / "ours.whl").write_bytes(b"a wheel")
    for name, value in started.environment.items():
        monkeypatch.setenv(name, value)
    started.fail()
    has(started)
    return started


def has(workspace: Databricks, account: dict[str, Any] | None = None, secrets: dict[str, Any] = SECRETS) -> None:
    (workspace.folder / "account.json").write_text(json.dumps({**HAS, **(account or {})}))
    (workspace.folder / "secrets.json").write_text(json.dumps(secrets))


def declared(*computes: Compute) -> Lakehouse:
    """Bronze tables, each for one of some computes."""
    lakehouse = open_lakehouse(strict=True)
    keys = [key for key in lakehouse.tables if key.startswith("airlines.bronze.")]
    chosen = zip(keys, computes or COMPUTES, strict=False)
    tables = {key: replace(lakehouse.tables[key], compute=compute) for key, compute in chosen}
    return Lakehouse({"airlines": lakehouse.domains["airlines"]}, tables)


def doctor(workspace: Databricks, lakehouse: Lakehouse | None = None, **settings: str) -> list[Found]:
    told = {
        "COMPUTE": "databricks", "DATABRICKS_VOLUME": workspace.volume, "DATABRICKS_SECRETS": "shop",
        "DATABRICKS_WHEELS": f"{workspace.volume}/ours.whl", "CATALOG": "main",
        "LAKE": f"{STORE}/lake", "LANDING": f"{STORE}/landing", **settings,
    }  # fmt: skip
    asked = read_settings({f"LAKEHOUSE_{name}": value for name, value in told.items()})
    return [tried(what, attempt) for what, attempt in attempts(asked, lakehouse or declared())]


def test_what_is_there_is_said_to_be(workspace: Databricks) -> None:
    found = doctor(workspace)
    assert [(fine, what, said) for fine, what, said in found if fine is False] == []
    assert [f"{what.removeprefix('Databricks').strip()}: {said}" for fine, what, said in found if fine][3:] == [
        "rights: ann@example.com may create clusters",
        "runtime: 17.3.x-scala2.13: 17.3 LTS (includes Apache Spark 4.0.0, Scala 2.13)",
        "nodes: Standard_D4ds_v5: 4 cores, 16 GB",
        "policy: P1: jobs of the lakehouse",
        "pool: pool-1: warm",
        "cluster: 0101-abc: 17.3.x-photon-scala2.13, USER_ISOLATION",
        "catalog: main may be used",
        "schema: main.airlines_bronze: tables may be made and changed",
        f"location: {STORE}/lake: covered by store",
        f"location: {STORE}/landing: covered by store",
        "secrets: shop: has azure-client-id, azure-client-secret, azure-tenant-id, lakehouse-url",
    ]
    assert [what for fine, what, _ in found if fine is None] == ["Databricks serverless"]


def without(*path: str, **other: Any) -> dict[str, Any]:
    """What the workspace has, without a part of it."""
    left: Any = json.loads(json.dumps(HAS))
    at = left
    for name in path[:-1]:
        at = at[name]
    del at[path[-1]]
    return {**left, **other}


def granted(name: str, *privileges: str) -> dict[str, Any]:
    return {"locations": [LOCATION], "grants": {**HAS["grants"], name: {"engineers": [*privileges]}}}


def cluster(**other: Any) -> dict[str, Any]:
    return {"clusters": {"0101-abc": {**HAS["clusters"]["0101-abc"], **other}}}


def located(**other: Any) -> dict[str, Any]:
    return {"locations": [{**LOCATION, **other}]}


HAS["locations"] = [LOCATION]
LACKING = {
    "the right to make clusters": (
        {"me": {**HAS["me"], "entitlements": []}, "groups": {"7": {"displayName": "engineers"}}},
        "rights", "give it the entitlement allow-cluster-create, or declare Cluster(policy=…)",
    ),
    "a runtime": ({"runtimes": {}}, "runtime", "there is no runtime 17.3.x-scala2.13 here; declare Cluster(runtime=…)"),
    "a runtime with our Spark": (
        {"runtimes": {"17.3.x-scala2.13": "(includes Apache Spark 3.5.2)", "17.3.x-photon-scala2.13": ""}},
        "runtime", "has Spark 3.5, and Spark 4.0 is needed",
    ),
    "a node type": ({"nodes": {}}, "nodes", "there are no nodes of the type Standard_D4ds_v5 here"),
    "a node type in the subscription": (
        {"nodes": {"Standard_D4ds_v5": ["NotEnabledOnSubscription"]}}, "nodes", "have Azure enable it",
    ),
    "a policy": (without("policies", "P1"), "policy", "there is no policy P1; declare Cluster(policy=…)"),
    "a pool": (without("pools", "pool-1"), "pool", "there is no pool pool-1; declare Cluster(pool=…)"),
    "a cluster": (without("clusters", "0101-abc"), "cluster", "no cluster 0101-abc; declare ExistingCluster(…)"),
    "a cluster with our Spark": (
        cluster(spark_version="16.4.x-scala2.12"), "cluster", "has 16.4.x-scala2.12, whose Spark is 3.5; give it",
    ),
    "a cluster with a runtime of our line": (cluster(spark_version="15.1.x-old"), "cluster", "of another line; give"),
    "an access mode": (cluster(data_security_mode="NONE"), "cluster", "set it to Standard or Dedicated"),
    "any access mode": (cluster(data_security_mode=None), "cluster", "the access mode no mode, in which"),
    "a cluster of one's own": (
        cluster(data_security_mode="SINGLE_USER", single_user_name="bob@example.com"),
        "cluster", "is dedicated to bob@example.com, so ann@example.com can't run jobs on it",
    ),
    "a catalog": (without("owners", "main"), "catalog", "there is no catalog main that this user sees; create it"),
    "the use of the catalog": (
        granted("catalog/main"), "catalog",
        "lacks USE CATALOG on main; have its owner GRANT USE CATALOG ON CATALOG `main` TO `ann@example.com`",
    ),
    "rights in a schema": (
        granted("schema/main.airlines_bronze", "USE_SCHEMA", "SELECT"), "schema",
        "GRANT CREATE TABLE, MODIFY ON SCHEMA `main`.`airlines_bronze` TO `ann@example.com`",
    ),
    "a schema and the right to make one": (
        {**without("owners", "main.airlines_bronze"), **granted("catalog/main", "USE_CATALOG")}, "schema",
        "GRANT CREATE SCHEMA ON CATALOG `main`",
    ),
    "an external location": ({"locations": []}, "location", "no external location that this user sees covers"),
    "one for the lake": (located(url=f"{STORE}/landing"), "location", f"covers {STORE}/lake; create one"),
    "one for the landing folders": (located(url=f"{STORE}/lake"), "location", f"covers {STORE}/landing; create one"),
    "one whose name only begins alike": (located(url=f"{STORE}/la"), "location", "create one"),
    "one that may be written to": (located(read_only=True), "location", "store is read-only; take that mark off it"),
    "rights at a location": (
        granted("external_location/store", *FILES), "location",
        "GRANT CREATE EXTERNAL TABLE ON EXTERNAL LOCATION `store` TO",
    ),
}  # fmt: skip


@pytest.mark.parametrize("lacking", LACKING)
def test_what_is_missing_is_the_one_thing_that_is_told_and_how_to_get_it(workspace: Databricks, lacking: str) -> None:
    account, what, expected = LACKING[lacking]
    has(workspace, account)
    wrong = [(name, said) for fine, name, said in doctor(workspace) if fine is False]
    assert {name for name, _ in wrong} == {f"Databricks {what}"}
    assert all(expected in said for _, said in wrong), wrong


@pytest.mark.parametrize(
    "account",
    [
        {"me": {**HAS["me"], "entitlements": []}, "groups": {"7": {"entitlements": HAS["me"]["entitlements"]}}},
        {"me": {**HAS["me"], "entitlements": [], "groups": [{"value": "1", "display": "admins"}]}, "grants": {
            name: {"account users": ["ALL_PRIVILEGES"]} for name in HAS["grants"]}},
        {"owners": {"main": "engineers", "main.airlines_bronze": "ann@example.com"}, "grants": {},
         "locations": [{**LOCATION, "owner": "engineers"}]},
        without("owners", "main.airlines_bronze"),
        cluster(data_security_mode="SINGLE_USER", single_user_name="engineers"),
        cluster(spark_version="17.2.x-no-more-listed"),
        located(url=f"{STORE}"),
    ],
)  # fmt: skip
def test_a_right_may_come_by_a_group_by_owning_or_from_above(workspace: Databricks, account: dict[str, Any]) -> None:
    has(workspace, account)
    assert [it for it in doctor(workspace) if it[0] is False] == []


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("clusters/spark-versions", {"runtime", "cluster"}), ("clusters/list-node-types", {"nodes"}),
        ("policies/clusters/get", {"policy"}), ("instance-pools/get", {"pool"}), ("2.1/clusters/get", {"cluster"}),
        ("unity-catalog/catalogs", {"catalog"}), ("unity-catalog/schemas", {"schema"}),
        ("unity-catalog/external-locations", {"location"}),
        ("effective-permissions", {"catalog", "schema", "location"}), ("secrets/list", {"secrets"}),
    ],
)  # fmt: skip
def test_what_this_user_may_not_ask_is_unknown_and_nothing_else_is(
    workspace: Databricks, path: str, what: set[str]
) -> None:
    workspace.fail({"at": path, "status": 403, "code": "PERMISSION_DENIED", "times": 99})
    found = [it for it in doctor(workspace) if it[1] != "Databricks serverless"]
    assert {name for fine, name, _ in found if not fine} == {f"Databricks {name}" for name in what}
    assert all("can't be seen by this user" in said for fine, _, said in found if fine is None)
    assert not [it for it in found if it[0] is False]


@pytest.mark.parametrize(
    ("secrets", "expected"),
    [
        ({"azure-storage-account-key": "k"}, ""),
        (
            {"azure-tenant-id": "t", "azure-client-id": "c"},
            "shop: lacks what leads delta-rs to the account of the lake",
        ),
        ({}, "azure-storage-account-key"),
        (None, "there is no scope shop; make it"),
    ],
)
def test_secrets_that_delta_rs_needs_are_told(
    workspace: Databricks, secrets: dict[str, str] | None, expected: str
) -> None:
    has(workspace, secrets={} if secrets is None else {"shop": secrets})
    (found,) = [it for it in doctor(workspace) if it[1] == "Databricks secrets"]
    assert (found[0], expected in found[2]) == (not expected, True)
    if secrets:
        assert not any(value in found[2].split() for value in secrets.values())


def test_variables_that_jobs_download_by_are_looked_for_in_the_scope(workspace: Databricks) -> None:
    netflix = open_lakehouse(strict=True)
    tables = {key: table for key, table in netflix.tables.items() if key.startswith("netflix.bronze.")}
    (found,) = [it for it in doctor(workspace, Lakehouse(netflix.domains, tables)) if it[1] == "Databricks secrets"]
    assert found[0] is False
    assert "lakehouse-netflix-url, which netflix.bronze." in found[2]


def test_who_may_not_see_its_groups_is_not_told_that_it_lacks_a_right(workspace: Databricks) -> None:
    has(workspace, {"me": {**HAS["me"], "entitlements": []}})
    workspace.fail({"at": "scim/v2/Groups", "status": 403, "code": "PERMISSION_DENIED", "times": 9})
    (found,) = [it for it in doctor(workspace) if it[1] == "Databricks rights"]
    assert (found[0], "can't see whether by a group" in found[2]) == (None, True)


def test_without_a_catalog_and_a_scope_nothing_is_asked_of_them(workspace: Databricks) -> None:
    found = doctor(workspace, CATALOG="", DATABRICKS_SECRETS="")
    assert not {what.split()[-1] for _, what, _ in found} & {"catalog", "schema", "location"}
    (said,) = [it for it in found if it[1] == "Databricks secrets"]
    assert said[0] is None
    assert "name that in LAKEHOUSE_DATABRICKS_SECRETS" in said[2]
