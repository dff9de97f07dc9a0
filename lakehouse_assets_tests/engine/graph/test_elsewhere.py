"""What is reported of tables that tasks and jobs make, and how they stand in the graph."""

from __future__ import annotations

import dagster as dg
import pytest

from lakehouse_assets.engine.compile.definitions import compile_definitions
from lakehouse_assets.engine.compile.sensors import downstream
from lakehouse_assets.engine.errors import DeclarationError
from lakehouse_assets.engine.graph.validate import load
from lakehouse_assets_tests.project import Project

TASK = 'ratings = task_table(task={}, orders="bronze.orders"{})'
NOTE = 'Notebook("/Shared/ratings")'
JOB = "ratings = external_table(job={}, at={!r})"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TASK.format('Notebook("Shared/ratings")', ""), "give the path in the workspace, from / on"),
        (TASK.format('SqlFile("a.sql", "w")', ""), "give the path in the workspace, from / on"),
        (TASK.format('SqlFile("/a.sql", "")', ""), "has no warehouse; give the id of one"),
        (TASK.format('Jar("com.A", [])', ""), "its JAR isn't named; give jars=[…]"),
        (TASK.format('Jar("com.A", "/a.jar")', ""), "its JAR isn't named; give jars=[…]"),
        (TASK.format('Jar("com.A", ["/a.jar"])', ", compute=Serverless()"), "a JAR doesn't run on serverless compute"),
        (TASK.format('"/Shared/ratings"', ""), "use Notebook(…), SqlFile(…) or Jar(…)"),
        (TASK.format('Notebook("/a", {"orders_path": "x"})', ""), "its parameter 'orders_path' says where a table is"),
        (TASK.format('Notebook("/a", {"least": 4})', ""), "its parameters are texts"),
        (TASK.format('Jar("com.A", ["/a.jar"], [4])', ""), "its parameters are texts"),
        (TASK.format(NOTE, ', output="bronze.orders"'), "'output' is what its task is told of another place"),
        (TASK.format(NOTE, ', o="bronze.orders", o_path="bronze.orders"'), "'o' is what its task is told of another"),
        (TASK.format(NOTE, ', f=files("*.csv")'), "names the tables that it reads, as f='layer.table'"),
        (TASK.format(NOTE, ', expect=[drop("id > 0")]'), "names the tables that it reads, as expect='layer.table'"),
        (TASK.format(NOTE, ", write=append()"), "It has no files, snapshots, expectations, write mode"),
        (TASK.format(NOTE, ', s=snapshots("bronze.orders", "id")'), "It has no files, snapshots"),
        (TASK.format(NOTE, ", checks=[reconciled()]"), "adds up its rows, but takes in no new rows"),
        (TASK.format(NOTE, ', other="silver.none"'), "reads 'silver.none', which no file declares"),
        (JOB.format('"nightly"', ""), "its job is 'nightly'; give Job(…)"),
        (JOB.format('Job("")', ""), "give Job(…) with the name that it has in the workspace"),
        (JOB.format('Job("nightly")', "ratings"), "is at 'ratings'; give a path from / on, or a URL"),
        (JOB.format('Job("nightly")', "dbfs:/ratings"), "give a path from / on, or a URL"),
        (JOB.format('Job("nightly")', "abfss://ratings"), "write abfss://CONTAINER@ACCOUNT"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_reported_with_its_line(
    project: Project, text: str, problem: str
) -> None:
    project.bronze("orders")
    project.table("gold.ratings", text)
    with pytest.raises(DeclarationError) as raised:
        load(project.package)
    (found,) = [p for p in raised.value.problems if problem in p]
    assert "shop/gold/ratings.py:" in found


def test_what_lies_nowhere_is_not_read_by_tables_of_ours(project: Project) -> None:
    project.table("silver.ratings", JOB.format('Job("nightly")', ""))
    project.table("gold.best", 'best = sql_table(r="silver.ratings", sql="SELECT * FROM r")')
    project.table("gold.sent", 'sent = external_table(job=Job("send"), r="silver.ratings")')
    project.table(
        "gold.held", 'held = task_table(task=Notebook("/a"), checks=[references("r", "silver.ratings", "r")])'
    )
    lakehouse = load(project.package, strict=False)
    assert [*lakehouse.tables] == ["shop.silver.ratings", "shop.gold.sent"]
    assert all("nobody says where it is; give its external_table(…) at=…" in p for p in lakehouse.problems)
    assert lakehouse.left_out.keys() == {"shop.gold.best", "shop.gold.held"}


def test_dagster_has_them_with_their_lineage_and_runs_no_job_of_others(project: Project) -> None:
    project.bronze("orders")
    project.table("silver.ratings", TASK.format(NOTE, ', columns=[Column("id", "int", key=True)]'))
    project.external("gold.ratings", "/mnt/ratings", 'r="silver.ratings", columns=[Column("n", "int", doc="Stars.")]')
    loaded = project.definitions()
    dg.Definitions.validate_loadable(loaded)
    specs = {".".join(spec.key.path): spec for spec in loaded.resolve_all_asset_specs()}
    ours, others = specs["shop.silver.ratings"], specs["shop.gold.ratings"]
    assert (ours.kinds, others.kinds) == ({"databricks", "deltalake", "silver"}, {"databricks", "deltalake", "gold"})
    assert [".".join(dep.asset_key.path) for dep in others.deps] == ["shop.silver.ratings"]
    assert (others.owners, others.metadata["job"]) == (["team:shop"], "nightly ratings")
    assert others.metadata["dagster/column_schema"].columns[0].description == "Stars."
    graph = loaded.resolve_asset_graph()
    assert [graph.get(spec.key).is_executable for spec in (ours, others)] == [True, False]
    lakehouse = project.lakehouse
    run = downstream([lakehouse.tables["shop.bronze.orders"]], lakehouse)  # by the sensor, when files arrive
    assert [".".join(key.path) for key in run] == ["shop.bronze.orders", "shop.silver.ratings"]
    assert {s.name for s in loaded.sensors or ()} == {"shop_arrivals"}  # and none that asks a workspace


def test_a_domain_of_nothing_but_jobs_of_others_loads(project: Project) -> None:
    project.external("gold.ratings", "/mnt/ratings")
    dg.Definitions.validate_loadable(compile_definitions(project.lakehouse, project.resources))


def test_the_code_of_a_task_is_part_of_its_version(project: Project) -> None:
    versions = set[str]()
    project.bronze("orders")
    for task in (NOTE, 'Notebook("/Shared/ratings", {"a": "b"})', 'SqlFile("/Shared/ratings", "w")'):
        project.table("gold.ratings", TASK.format(task, ""))
        versions.add(project.lakehouse.tables["shop.gold.ratings"].code_version)
    assert len(versions) == 3
    with pytest.raises(TypeError, match="is made by the SQL file /Shared/ratings"):
        project.lakehouse.tables["shop.gold.ratings"]()
