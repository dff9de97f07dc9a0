"""The bundle and the catalog's SQL: what is in deploy/ is what the declarations give, in the words of Databricks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import sqlglot
import yaml
from databricks.bundles.jobs import Job

from lakehouse_assets.cli.doctor.catalog import AT_LAKE, AT_LANDING, IN_SCHEMA
from lakehouse_assets.cli.generate import PLACEHOLDER, declared_for_bundle
from lakehouse_assets.engine import Cluster, ExistingCluster, Serverless
from lakehouse_assets.engine.deploy.databricks_bundle import databricks_bundle, quartz
from lakehouse_assets.engine.deploy.unity_catalog import Catalog, unity_catalog_sql
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.spec.compute import Compute
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.project import Project

FOLDER = PROJECT / "deploy" / "databricks"


def catalog_of(lakehouse: Lakehouse, credential: str = "lakehouse") -> Catalog:
    tables = {key: (PLACEHOLDER.table(key).name, PLACEHOLDER.table(key).path) for key in lakehouse.tables}
    schemas = {key: PLACEHOLDER.schemas(table) for key, table in lakehouse.tables.items()}
    return Catalog(PLACEHOLDER.catalog, PLACEHOLDER.root, PLACEHOLDER.landing, credential, tables, schemas)


@pytest.fixture(scope="module")
def lakehouse() -> Lakehouse:
    return open_lakehouse(strict=True)


@pytest.fixture(scope="module")
def jobs(lakehouse: Lakehouse) -> dict[str, Any]:
    made: dict[str, Any] = databricks_bundle(declared_for_bundle(lakehouse, "lakehouse_assets.domains"))["resources"][
        "jobs"
    ]
    return made


def test_what_is_in_deploy_is_what_the_declarations_give(lakehouse: Lakehouse) -> None:
    there = yaml.safe_load((FOLDER / "databricks.yml").read_text())
    assert there == databricks_bundle(declared_for_bundle(lakehouse, "lakehouse_assets.domains")), (
        "`lakehouse generate bundle` writes it"
    )
    sql = (FOLDER / "unity_catalog.sql").read_text()
    assert sql == unity_catalog_sql(lakehouse, catalog_of(lakehouse)), "`lakehouse generate unity-catalog` does"


def test_databricks_knows_every_field_of_every_job(jobs: dict[str, Any]) -> None:
    for name, job in jobs.items():
        # A reference is filled in when the bundle is deployed.
        assert Job.from_dict(job).as_dict() == job, name


def test_a_job_has_a_task_for_each_table_and_model_after_those_that_it_reads(
    lakehouse: Lakehouse, jobs: dict[str, Any]
) -> None:
    for name in lakehouse.domains:
        assets = {a.key.replace(".", "_"): a for a in lakehouse.assets.values() if a.domain == name}
        tasks = {task["task_key"]: task for task in jobs[name]["tasks"]}
        assert tasks.keys() == assets.keys()
        for key, task in tasks.items():
            reads = {upstream.replace(".", "_") for upstream in lakehouse.reads(assets[key].key)}
            assert {it["task_key"] for it in task.get("depends_on", [])} == reads & assets.keys()
            assert task["python_wheel_task"]["parameters"][0] == assets[key].key
        assert len(jobs[name]["job_clusters"]) == 1  # shared by all of them


@pytest.mark.parametrize(
    ("owner", "permission"),
    [("team:shop", {"group_name": "shop"}), ("ann@example.com", {"user_name": "ann@example.com"})],
)
def test_the_owner_may_run_the_jobs(lakehouse: Lakehouse, owner: str, permission: dict[str, str]) -> None:
    airlines = replace(lakehouse.domains["airlines"], owner=owner)
    owned = Lakehouse({"airlines": airlines}, {k: t for k, t in lakehouse.tables.items() if t.domain == "airlines"})
    job = databricks_bundle(declared_for_bundle(owned, "d"))["resources"]["jobs"]["airlines"]
    assert job["permissions"] == [{**permission, "level": "CAN_MANAGE_RUN"}]
    assert Job.from_dict(job).as_dict() == job
    (who,) = permission.values()
    assert f"ON SCHEMA `main`.`airlines_gold` TO `{who}`" in unity_catalog_sql(owned, catalog_of(owned))


def test_the_owner_is_granted_what_doctor_asks_of_who_runs_the_jobs(lakehouse: Lakehouse) -> None:
    text = unity_catalog_sql(lakehouse, catalog_of(lakehouse))
    for needed, place in (
        (IN_SCHEMA, "SCHEMA `main`.`airlines_state`"), (AT_LAKE, "EXTERNAL LOCATION `main_lake`"),
        (AT_LANDING, "EXTERNAL LOCATION `main_landing`"),
    ):  # fmt: skip
        assert f"GRANT {', '.join(it.replace('_', ' ') for it in needed)} ON {place} TO `airlines`;" in text


def test_arriving_files_start_the_job_of_their_domain(jobs: dict[str, Any]) -> None:
    job = jobs["airlines_arrivals"]
    assert job["trigger"]["file_arrival"]["url"] == "${var.landing}/airlines/"
    assert job["tasks"][0]["run_job_task"]["job_id"] == "${resources.jobs.airlines.id}"


@pytest.mark.parametrize("compute", [None, Cluster(workers=8), Serverless(), ExistingCluster("0101-abc")])
def test_a_domain_is_maintained_each_week_on_its_compute(lakehouse: Lakehouse, compute: Compute | None) -> None:
    airlines = {"airlines": replace(lakehouse.domains["airlines"], compute=compute)}
    tables = {key: table for key, table in lakehouse.tables.items() if table.domain == "airlines"}
    job = databricks_bundle(declared_for_bundle(Lakehouse(airlines, tables), "d"))["resources"]["jobs"][
        "airlines_maintain"
    ]
    assert Job.from_dict(job).as_dict() == job
    assert job["schedule"]["quartz_cron_expression"] == "0 0 2 ? * SUN"
    (made,) = job["tasks"]
    assert made["python_wheel_task"]["entry_point"] in PROJECT.joinpath("pyproject.toml").read_text()
    assert made["python_wheel_task"]["parameters"][:2] == ["airlines", "--lake"]
    chosen = {"Cluster": "new_cluster", "Serverless": "environment_key", "ExistingCluster": "existing_cluster_id"}
    assert chosen[type(compute or Cluster()).__name__] in made
    assert [it["environment_key"] for it in job.get("environments", [])] == [
        made[name] for name in ("environment_key",) if name in made
    ]


def test_tables_have_the_compute_that_they_are_declared_for(lakehouse: Lakehouse) -> None:
    keys = [key for key in lakehouse.tables if key.startswith("airlines.bronze.")][:4]
    chosen = zip(keys, (Cluster(workers=8), Serverless(), ExistingCluster("0101-abc"), Serverless()), strict=True)
    tables = {key: replace(lakehouse.tables[key], compute=compute) for key, compute in chosen}
    airlines = {"airlines": lakehouse.domains["airlines"]}
    job = databricks_bundle(declared_for_bundle(Lakehouse(airlines, tables), "d"))["resources"]["jobs"]["airlines"]
    assert Job.from_dict(job).as_dict() == job
    found = [[t.get(n) for n in ("job_cluster_key", "environment_key", "existing_cluster_id")] for t in job["tasks"]]
    assert found == [
        ["compute_1", None, None], [None, "compute_2", None], [None, None, "0101-abc"], [None, "compute_2", None],
    ]  # fmt: skip
    assert [it["job_cluster_key"] for it in job["job_clusters"]] == ["compute_1"]
    assert [it["environment_key"] for it in job["environments"]] == ["compute_2"]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 6 * * *", "0 0 6 * * ?"), ("*/15 * * * *", "0 */15 * * * ?"), ("30 5 1 * *", "0 30 5 1 * ?"),
        ("0 6 * * 1-5", "0 0 6 ? * MON-FRI"), ("0 6 * * 0,7", "0 0 6 ? * SUN,SUN"), ("5 4 * 2 6", "0 5 4 ? 2 SAT"),
        ("0 6 * * mon", "0 0 6 ? * mon"), ("0 6 * * 1/2", "0 0 6 ? * MON/2"), ("@daily", "0 0 0 * * ?"),
        ("@weekly", "0 0 0 ? * SUN"),
    ],
)  # fmt: skip
def test_a_schedule_is_told_as_quartz_has_it(cron: str, expected: str) -> None:
    assert quartz(cron) == expected


def test_a_schedule_that_quartz_has_no_word_for_is_refused() -> None:
    with pytest.raises(LakehouseError, match="leave one of them"):
        quartz("0 6 1 * 1")


def test_the_statements_are_sql_of_databricks(lakehouse: Lakehouse) -> None:
    text = unity_catalog_sql(lakehouse, catalog_of(lakehouse))
    statements = sqlglot.parse(text, dialect="databricks", error_level=sqlglot.ErrorLevel.RAISE)
    assert len(statements) == text.count(";\n")


def test_a_key_and_what_refers_to_it_are_told(lakehouse: Lakehouse) -> None:
    text = unity_catalog_sql(lakehouse, catalog_of(lakehouse))
    dim, fact = "`main`.`airlines_gold`.`dim_carrier`", "`main`.`airlines_gold`.`fact_flights`"
    assert f"ALTER TABLE {dim} ADD CONSTRAINT `dim_carrier_key` PRIMARY KEY (`carrier_key`)" in text
    assert (
        f"ALTER TABLE {fact} ADD CONSTRAINT `fact_flights_carrier_key_in_gold_dim_carrier` "
        f"FOREIGN KEY (`carrier_key`) REFERENCES {dim} (`carrier_key`)"
    ) in text
    assert text.index("PRIMARY KEY (`carrier_key`)") < text.index("FOREIGN KEY")


def test_texts_with_quotes_and_backslashes_stay_texts(project: Project) -> None:
    project.bronze("orders")
    lakehouse = project.lakehouse
    odd = "it's a \\ and a\nline; DROP TABLE x"
    table = replace(lakehouse.tables["shop.bronze.orders"], doc=odd, tags={"a'b": json.dumps(odd)})
    text = unity_catalog_sql(Lakehouse(lakehouse.domains, {table.key: table}), catalog_of(lakehouse, "a`b"))
    (comment,) = [s for s in sqlglot.parse(text, dialect="databricks") if s and s.key == "comment"]
    assert comment.expression.this == odd
