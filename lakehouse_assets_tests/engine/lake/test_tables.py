"""Spark is told of a table by its name where a catalog has it, and by its path alone where none has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse_assets import engine
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets_tests.project import Project

# Spark's own catalog stands for Unity Catalog: it knows tables by name, with their locations.
CATALOG = "spark_catalog"
EVENTS = """
@table(landed=files("events/*"))
def events(landed: DataFrame) -> DataFrame:
    return landed
"""
TYPED = "raw.selectExpr('int(id) id', 'int(at) at', 'name', 'gone')"
KEYED = """
@table(raw="bronze.events", write={mode}, expect=[drop("name <> 'bad'"), typed("id")],
       columns=[Column("id", "int", key={key}), Column("at", "int", nullable=False),
                Column("name", "string"), Column("gone", "string")])
def {name}(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "int(at) at", "name", "gone")
"""
NAMES = """
names = sql_table(sql="SELECT name, count(*) AS n FROM rows GROUP BY name", rows="silver.current",
    write=refresh(by="name"), columns=[Column("name", "string", key=True), Column("n", "bigint")],
    checks=[references("name", "silver.current", "name")])
"""
FIRST = "id,at,name,gone\n1,1,a,\n2,1,b,\n3,1,bad,\n4,1,d,\n"
SECOND = "id,at,name,gone\n1,2,a2,\n2,3,b,yes\n2,2,late,\n5,1,e,\n6,1,bad,\n"
TABLES = ("bronze.events", "silver.current", "silver.versions", "gold.names")


@pytest.fixture
def both(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Project, Project]]:
    """One project by path, and the same one in a lake whose tables a catalog has."""
    (tmp_path / "named").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "named"))
    named = Project(tmp_path / "named", f"{project.package}_named", project.engine)
    named.lake = replace(named.lake, catalog=CATALOG)
    for each in (project, named):
        declare(each)
    yield project, named
    spark = named.engine.session()
    for schema in ("bronze", "silver", "gold", "quarantine", "state"):
        spark.sql(f"DROP SCHEMA IF EXISTS {CATALOG}.shop_{schema} CASCADE").collect()


def declare(project: Project) -> None:
    project.table("bronze.events", EVENTS)
    gone = 'delete_when="gone IS NOT NULL"'
    project.table("silver.current", KEYED.format(name="current", mode=f'merge(on="id", newest="at", {gone})', key=True))
    project.table(
        "silver.versions", KEYED.format(name="versions", mode=f'history(on="id", newest="at", {gone})', key=False)
    )
    project.table("gold.names", NAMES)


def run_all(project: Project) -> list[tuple[object, ...]]:
    return [(outcome.plan.strategy, outcome.version, outcome.counts) for outcome in map(project.run, TABLES)]


def test_tables_of_a_catalog_have_the_same_rows_and_history_as_tables_by_path(both: tuple[Project, Project]) -> None:
    by_path, by_name = both
    for content in (FIRST, SECOND):
        for project in both:
            project.land(f"events/{len(content)}.csv", content)
        assert run_all(by_name) == run_all(by_path)
    for name in ("silver.current", "silver.versions", "gold.names"):
        assert by_name.rows(name) == by_path.rows(name)
        done = [[(c.operation, c.version) for c in each.log(name).commits] for each in both]
        assert done[0] == done[1], name
    for name in ("silver.current", "silver.versions"):
        assert by_name.rejected(name, "row", "broken") == by_path.rejected(name, "row", "broken")


def test_the_catalog_has_each_table_its_quarantine_and_its_state_at_their_places(both: tuple[Project, Project]) -> None:
    _, project = both
    project.land("events/1.csv", FIRST)
    project.land("events/2.csv", SECOND)
    run_all(project)
    spark = project.engine.session()
    found = {f"{schema}.{name}": location(spark, f"{CATALOG}.shop_{schema}.{name}") for schema, name in tables(spark)}
    folder = f"file:{project.lake.root}/shop"
    assert found == {
        "bronze.events": f"{folder}/bronze/events",
        "silver.current": f"{folder}/silver/current",
        "silver.versions": f"{folder}/silver/versions",
        "gold.names": f"{folder}/gold/names",
        "quarantine.gold_names": f"{folder}/quarantine/gold_names",
        "quarantine.silver_current": f"{folder}/quarantine/silver_current",
        "quarantine.silver_versions": f"{folder}/quarantine/silver_versions",
        "state.silver_current": f"{folder}/memory/silver_current",
        "state.silver_versions": f"{folder}/memory/silver_versions",
    }
    assert spark.table(f"{CATALOG}.shop_gold.names").count() == len(project.rows("gold.names"))


def tables(spark: SparkSession) -> list[tuple[str, str]]:
    schemas = [row[0] for row in spark.sql(f"SHOW SCHEMAS IN {CATALOG} LIKE 'shop_*'").collect()]
    return [
        (schema.removeprefix("shop_"), row["tableName"])
        for schema in schemas
        for row in spark.sql(f"SHOW TABLES IN {CATALOG}.{schema}").collect()
        if not row["isTemporary"]
    ]


def location(spark: SparkSession, name: str) -> str:
    return str(spark.sql(f"DESCRIBE DETAIL {name}").collect()[0]["location"])


def test_a_table_that_the_catalog_lost_is_put_into_it_again_with_its_history(both: tuple[Project, Project]) -> None:
    _, project = both
    project.land("events/1.csv", FIRST)
    run_all(project)
    spark = project.engine.session()
    spark.sql(f"DROP TABLE {CATALOG}.shop_silver.current").collect()
    project.land("events/2.csv", SECOND)
    run_all(project)
    assert project.log("silver.current").version == 1
    assert spark.table(f"{CATALOG}.shop_silver.current").count() == len(project.rows("silver.current"))


def test_a_table_of_the_same_name_elsewhere_is_refused_and_left_alone(
    both: tuple[Project, Project], tmp_path: Path
) -> None:
    _, project = both
    spark, name = project.engine.session(), f"{CATALOG}.shop_bronze.events"
    spark.range(3).write.format("delta").save(f"{tmp_path}/other")
    spark.sql(f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.shop_bronze").collect()
    spark.sql(f"CREATE TABLE {name} USING delta LOCATION '{tmp_path}/other'").collect()
    project.land("events/1.csv", FIRST)
    with pytest.raises(
        LakehouseError, match=rf"the catalog has it at file:{tmp_path}/other, and this lake at .*CATALOG"
    ):
        project.run("bronze.events")
    assert spark.table(name).count() == 3
    with pytest.raises(LakehouseError, match="drop that table from the catalog"):
        read_rows(spark, TableRef(f"{tmp_path}/mine", name))


def test_no_other_module_tells_spark_where_a_table_is() -> None:
    root = Path(engine.__file__).parent
    told = re.compile(r"delta\.`|format\(.delta.\)|saveAsTable|insertInto|\.save\((?!\))")
    found = {str(file.relative_to(root)) for file in root.rglob("*.py") if told.search(file.read_text())}
    # Of the others one words a statement for a person, one tells a notebook that isn't ours, and one saves models.
    assert found == {"lake/tables.py", "plan/undone.py", "deploy/databricks_tasks.py", "models/fitted.py"}


def test_a_key_that_was_made_not_null_as_for_a_catalog_is_written_on(project: Project) -> None:
    declare(project)
    project.table("gold.whole", NAMES.replace("names =", "whole =").replace('write=refresh(by="name"), ', ""))
    tables = (*TABLES, "gold.whole")
    for number, content in enumerate((FIRST, SECOND, "id,at,name,gone\n7,1,g,\n1,3,a3,\n")):
        project.land(f"events/{number}.csv", content)
        for name in tables:
            assert project.log(name).by_hand is None if number else True
            project.run(name)
        if number == 0:
            for name, key in (("silver.current", "id"), ("silver.versions", "valid_from"), ("gold.names", "name")):
                _not_null(project, name, key)
            _not_null(project, "gold.whole", "name")
    assert project.rows("silver.current", "id", "name") == [(1, "a3"), (4, "d"), (5, "e"), (7, "g")]
    assert project.rows("gold.names") == project.rows("gold.whole") == [("a3", 1), ("d", 1), ("e", 1), ("g", 1)]


def _not_null(project: Project, name: str, column: str) -> None:
    """What `ALTER COLUMN … SET NOT NULL` does on Databricks; Delta itself refuses it, and takes a table that has it."""
    log = Path(project.lake.table(f"shop.{name}").path) / "_delta_log"
    actions = [json.loads(line) for file in sorted(log.glob("*.json")) for line in file.read_text().splitlines()]
    told = [action["metaData"] for action in actions if "metaData" in action][-1]
    schema = json.loads(told["schemaString"])
    for field in schema["fields"]:
        field["nullable"] = field["nullable"] and field["name"] != column
    changed = {"metaData": {**told, "schemaString": json.dumps(schema)}}
    info = {"commitInfo": {"operation": "CHANGE COLUMN", "timestamp": 0, "operationParameters": {}}}
    number = project.log(name).version + 1
    (log / f"{number:020}.json").write_text(f"{json.dumps(info)}\n{json.dumps(changed)}\n")
