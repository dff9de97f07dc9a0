"""A damaged or foreign Delta table costs itself, by name, and no command, sensor or page of the others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from lakehouse_assets import cli
from lakehouse_assets.engine.errors import DamagedTable, LakehouseError, SourceError
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.plan.planner import plan_all
from lakehouse_assets.engine.run.reporting import preview
from lakehouse_assets_tests.engine.compile.sensors import Sensor
from lakehouse_assets_tests.project import Project


def first(log: Path) -> Path:
    """The first commit, once the checksums are gone, from which a reader may take what a commit says."""
    for checksum in {*log.glob("*.crc"), *log.glob(".*.crc")}:
        checksum.unlink()
    return log / "00000000000000000000.json"


def without_a_commit(log: Path) -> None:
    first(log).unlink()


def cut(log: Path) -> None:
    first(log).write_text(first(log).read_text()[:200])


def of_a_later_delta(log: Path) -> None:
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["new"], "writerFeatures": ["new"]}
    first(log).write_text(
        re.sub(r'\{"protocol":\{[^}]*\}\}', json.dumps({"protocol": protocol}), first(log).read_text())
    )


@pytest.mark.parametrize("damage", [without_a_commit, cut, of_a_later_delta])
def test_a_damaged_table_is_told_by_name_and_the_others_go_on(
    project: Project, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    for name in ("good", "bad"):
        project.bronze(name)
        for number in (1, 2):
            project.land(f"{name}/{number}.csv", "id\n1\n")
            project.run(f"bronze.{name}")
    project.land("good/3.csv", "id\n2\n")
    damage(Path(project.lake.table("shop.bronze.bad").path, "_delta_log"))
    with pytest.raises(DamagedTable, match=r"shop/bronze/bad: .+\. Put back"):
        read_log(project.lake.table("shop.bronze.bad"))
    lakehouse = project.lakehouse
    ways = {plan.table.name: plan.strategy for plan in plan_all(lakehouse, project.lake, lakehouse.tables)}
    assert ways == {"good": "append", "bad": "refused"}
    monkeypatch.setenv("LAKEHOUSE_DOMAINS", project.package)
    monkeypatch.setenv("LAKEHOUSE_LAKE", project.lake.root)
    monkeypatch.setenv("LAKEHOUSE_LANDING", project.lake.landing)
    for command in ("tables", "plan"):
        shown = CliRunner().invoke(cli.app, [command], env={"COLUMNS": "200"})
        assert shown.exit_code == 0, shown.output
        assert "shop.bronze.good" in shown.output
        assert "shop/bronze/bad" in shown.output.replace("\n", "")
    assert project.run("bronze.good").plan.strategy == "append"


def test_a_damaged_ledger_keeps_no_other_table_of_its_domain_waiting(
    project: Project, instance: dg.DagsterInstance
) -> None:
    for name in ("good", "bad"):
        project.bronze(name)
        project.land(f"{name}/1.csv", "id\n1\n")
        project.run(f"bronze.{name}")
    project.land("good/2.csv", "id\n2\n")
    cut(Path(project.lake.arrivals("shop.bronze.bad"), "_delta_log"))
    (request,) = Sensor(project.definitions(), "shop_arrivals", instance).tick().run_requests or []
    assert request.tags["lakehouse/waiting"] == "shop.bronze.good: 1"


def test_rows_are_counted_without_those_that_deletion_vectors_have_removed(project: Project) -> None:
    project.bronze("o")
    project.land("o/1.csv", "id\n" + "".join(f"{n}\n" for n in range(100)))
    project.run("bronze.o")
    path, spark = f"delta.`{project.lake.table('shop.bronze.o').path}`", project.engine.session()
    spark.sql(f"ALTER TABLE {path} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')").collect()
    spark.sql(f"DELETE FROM {path} WHERE id < '3'").collect()
    log = project.log("bronze.o")
    assert log.rows == spark.sql(f"SELECT count(*) AS n FROM {path}").collect()[0]["n"]
    assert log.rows < 100
    assert set(log.nulls.values()) == {None}


def test_a_day_that_python_lacks_costs_the_preview_and_not_the_run(tmp_path: Path) -> None:
    settings = {"delta.enableChangeDataFeed": "true"}
    far = 27 * 146_097 + (date(2121, 8, 18) - date(1970, 1, 1)).days  # 27 times the 400 years that the calendar repeats
    for days in ([19000], [far]):
        rows = pa.table({"day": pa.array(days, pa.date32())})
        write_deltalake(tmp_path, rows, mode="append", configuration=settings)
    log = read_log(TableRef(str(tmp_path)))
    assert log is not None
    assert preview(log).problem
    assert log.days("day") == log.days("day", after=0) == ["+12921-08-18", "2022-01-08"]


@pytest.mark.parametrize("what", ["ledger", "quarantine"])
def test_what_delta_rs_cannot_write_is_no_conflict_and_the_way_that_is_named_works(project: Project, what: str) -> None:
    project.table("bronze.o", """
        @table(landed=files("o/*"), expect=[drop("id <> '9'")])
        def o(landed: DataFrame) -> DataFrame:
            return landed
    """)  # fmt: skip
    project.land("o/1.csv", "id\n1\n9\n")
    project.run("bronze.o")
    kept = project.lake.quarantine("shop.bronze.o")
    path = {"ledger": project.lake.arrivals("shop.bronze.o"), "quarantine": kept.path}[what]
    feature = "SET TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')"
    project.engine.session().sql(f"ALTER TABLE delta.`{path}` {feature}").collect()
    project.land("o/2.csv", "id\n2\n3\n")
    for _ in range(2):
        with pytest.raises(LakehouseError, match=r"Unsupported table features.*; take .* or move its folder away"):
            project.run("bronze.o")
    Path(path).rename(f"{path}_away")
    with suppress(SourceError):  # whose message says how to go on
        project.run("bronze.o")
    project.run("bronze.o", full=True)
    assert project.rows("bronze.o", "id") == [("1",), ("2",), ("3",)]
    assert len(project.rejected("bronze.o")) == 1
    assert project.run("bronze.o").plan.strategy == "nothing"
