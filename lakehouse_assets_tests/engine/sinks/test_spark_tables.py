"""What Spark writes comes to the store as what delta-rs writes does: merges, histories, rebuilds, marked deletions."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse_assets_tests.engine.sinks.database import Database
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.postgres import Postgres

TABLE = """
@table(raw="bronze.departures", write={mode}, expect=[drop("delay >= 0")],
       columns=[Column("flight", "int", key=True), Column("gate", "string"), Column("delay", "decimal(6,1)"),
                Column("seq", "int")])
def {name}(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(flight) flight", "gate", "cast(delay as decimal(6,1)) delay", "int(seq) seq",
                          "_source")
"""
MODES = {
    "latest": 'merge(on="flight", newest="seq", delete_when="gate = \'gone\'")',
    "past": 'history(on="flight", newest="seq")',
    "all_of_it": "replace()",
}
COLUMNS = {"latest": ["flight", "gate", "delay", "seq"], "past": ["flight", "gate", "delay", "seq", "is_current"],
           "all_of_it": ["flight", "gate", "delay", "seq"]}  # fmt: skip


@pytest.fixture
def shop(project: Project, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Database:
    url = postgres.database(f"spark_{project.store_name}")
    monkeypatch.setenv("LAKEHOUSE_POSTGRES", url)
    project.bronze("departures")
    for name, mode in MODES.items():
        project.table(f"silver.{name}", TABLE.format(name=name, mode=mode))
        project.sink(f"{name}_out", f'sink("silver.{name}", to=postgres("{name}"))')
    return Database(url)


def test_each_way_to_write_comes_to_the_store(project: Project, shop: Database) -> None:
    files = [
        [(n, f"A{n}", n) for n in range(9)],
        [(1, "B1", 5), (3, "gone", 6), (20, "C", 7)],
        [(3, "D", 1), (4, "E", -1)],
    ]
    for seq, rows in enumerate(files):
        lines = [f"{flight},{gate},{delay},{seq}" for flight, gate, delay in rows]
        project.land(f"departures/{seq}.csv", "\n".join(["flight,gate,delay,seq", *lines]) + "\n")
        project.run("bronze.departures")
        for name in MODES:
            if name != "all_of_it" or seq == 0:  # whose keys are unique in the first file alone
                project.run(f"silver.{name}")
                told = project.materialize(f"sinks.{name}_out")
                assert told.strategy == ("upsert" if seq else "full"), (name, told.reason)
                assert _stored(shop, name) == _there(project, name)
    assert len(_stored(shop, "past")) == 13
    project.run("silver.latest", full=True)
    assert project.materialize("sinks.latest_out").sink.upserted == 0  # type: ignore[union-attr]
    assert _stored(shop, "latest") == _there(project, "latest")


def test_rows_that_are_marked_as_deleted_are_taken_out(project: Project, shop: Database) -> None:
    path, spark = project.lake.table("shop.silver.latest").path, project.engine.session()
    spark.sql(f"""
        CREATE TABLE delta.`{path}` (flight int, gate string, delay decimal(6,1), seq int) USING delta
        TBLPROPERTIES (delta.enableChangeDataFeed = true, delta.enableDeletionVectors = true)""")
    spark.sql(f"INSERT INTO delta.`{path}` SELECT int(id), 'A', 1, 1 FROM range(20)")
    project.materialize("sinks.latest_out")
    for change in ("DELETE FROM {} WHERE flight IN (3, 5)", "UPDATE {} SET gate = 'B' WHERE flight < 5",
                   "DELETE FROM {} WHERE flight = 7", "UPDATE {} SET flight = 100 WHERE flight = 9"):  # fmt: skip
        spark.sql(change.format(f"delta.`{path}`"))
    assert project.log("silver.latest").marks_deleted
    told = project.materialize("sinks.latest_out")
    assert told.reason.startswith("the table has deletion vectors")
    wanted = spark.sql(f"SELECT flight, gate, delay, seq FROM delta.`{path}` ORDER BY flight").toArrow().to_pylist()
    assert _stored(shop, "latest") == [tuple(row.values()) for row in wanted]
    shop.ask("DELETE FROM latest WHERE flight = 1")
    project.materialize("sinks.latest_out", full=True)
    assert _stored(shop, "latest") == [tuple(row.values()) for row in wanted]


def _stored(shop: Database, name: str) -> list[tuple[Any, ...]]:
    return shop.rows(COLUMNS[name], name)


def _there(project: Project, name: str) -> list[tuple[Any, ...]]:
    return sorted(project.rows(f"silver.{name}", *COLUMNS[name]))
