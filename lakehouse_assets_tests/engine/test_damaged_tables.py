"""A damaged or foreign Delta table costs itself, by name, and no command, sensor or page of the others."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from lakehouse_assets import cli
from lakehouse_assets.engine.delta_log import read_log
from lakehouse_assets.engine.errors import DamagedTable
from lakehouse_assets.engine.run.plan import plan_all
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.sensors import Sensor


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
    damage(Path(project.lake.table("shop.bronze.bad"), "_delta_log"))
    with pytest.raises(DamagedTable, match=r"shop/bronze/bad: .+\. Put back"):
        read_log(project.lake.table("shop.bronze.bad"), {})
    lakehouse = project.lakehouse
    ways = {plan.table.name: plan.way for plan in plan_all(lakehouse, project.lake, lakehouse.tables)}
    assert ways == {"good": "append", "bad": "refused"}
    monkeypatch.setattr(sys.modules["lakehouse_assets.cli.app"], "DOMAINS", project.package)
    monkeypatch.setenv("LAKEHOUSE_LAKE", project.lake.root)
    monkeypatch.setenv("LAKEHOUSE_LANDING", project.lake.landing)
    for command in ("tables", "plan"):
        shown = CliRunner().invoke(cli.app, [command], env={"COLUMNS": "200"})
        assert shown.exit_code == 0, shown.output
        assert "shop.bronze.good" in shown.output
        assert "shop/bronze/bad" in shown.output.replace("\n", "")
    assert project.run("bronze.good").plan.way == "append"


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
    path, spark = f"delta.`{project.lake.table('shop.bronze.o')}`", project.engine.session()
    spark.sql(f"ALTER TABLE {path} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')").collect()
    spark.sql(f"DELETE FROM {path} WHERE id < '3'").collect()
    log = project.log("bronze.o")
    assert log.rows == spark.sql(f"SELECT count(*) AS n FROM {path}").collect()[0]["n"]
    assert log.rows < 100
    assert set(log.nulls.values()) == {None}
