"""The programs on classic PySpark, which a cluster that one user has gives its jobs, and which isn't Spark Connect."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.run.maintain import Maintained
from lakehouse_assets.engine.run.plain_json import from_json
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.resources.jars import jar_folder
from lakehouse_assets.settings import PROJECT, read_settings
from lakehouse_assets_tests.project import DOMAIN, IMPORTS

TABLES = {
    "bronze.o": '@table(landed=files("o/*"))\ndef o(landed: DataFrame) -> DataFrame:\n    return landed',
    "silver.newest": """
        @table(raw="bronze.o", write=merge(on="id"), expect=[drop("n < 100")],
               columns=[Column("id", "int", key=True), Column("n", "int")])
        def newest(raw: DataFrame) -> DataFrame:
            return raw.selectExpr("int(id) id", "int(n) n")
    """,
    "silver.versions": """
        @table(raw="bronze.o", write=history(on="id", newest="at"),
               columns=[Column("id", "int", key=True), Column("n", "int"), Column("at", "bigint")])
        def versions(raw: DataFrame) -> DataFrame:
            return raw.selectExpr("int(id) id", "int(n) n", "_batch at")
    """,
    "gold.counts": """
        counts = sql_table(raw="silver.newest", write=refresh(by="id"),
            columns=[Column("id", "int"), Column("rows", "bigint")],
            sql="SELECT id, count(*) AS rows FROM raw GROUP BY id")
    """,
    "silver.odd": """
        @table(raw="bronze.o", write=append(), expect=[fail("id <> 7", name="not_seven")],
               columns=[Column("id", "int")])
        def odd(raw: DataFrame) -> DataFrame:
            return raw.selectExpr("int(id) id")
    """,
}
# All in one process, as its JVM takes ten seconds to start; `@` begins a program's part of the output.
SCRIPT = """
import sys
from pathlib import Path
from dbfs_jobs import doctor, maintain, run_asset

landing, tables, places = Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]

def told(program, *arguments):
    print("@", flush=True)
    try:
        program.main([*arguments, *places])
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)

told(run_asset, *tables)
(landing / "2.csv").write_text("id,n\\n1,20\\n7,9\\n8,999\\n")
told(run_asset, *tables)
told(run_asset, "shop.silver.odd")
next(Path(places[1], "shop/bronze/o").glob("*.parquet")).unlink()
told(maintain, "shop.bronze", "shop.silver.newest")
told(doctor, "--catalog", "spark_catalog")
"""
NAMES = ("bronze.o", "silver.newest", "silver.versions", "gold.counts")


def environment(root: Path) -> dict[str, str]:
    """What a session of classic PySpark needs here, in the place of what a runtime has."""
    jars = ",".join(map(str, sorted(jar_folder(read_settings().cache).glob("*.jar"))))
    conf = {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "2", "spark.sql.shuffle.partitions": "2",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2", "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
        "spark.sql.warehouse.dir": str(root / "warehouse"),
    }  # fmt: skip
    told = " ".join(f"--conf {name}={value}" for name, value in conf.items())
    # By the second one PySpark is told of Connect where this process has a session.
    of_connect = ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED")
    env = {name: value for name, value in os.environ.items() if name not in of_connect}
    path = os.pathsep.join([str(root), str(PROJECT)])
    arguments = f"--master local[2] --driver-memory 1g --jars {jars} {told} pyspark-shell"
    return {**env, "PYTHONPATH": path, "PYSPARK_SUBMIT_ARGS": arguments}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    for name in ("", "bronze", "silver", "gold"):
        folder = tmp_path / "classic_domains" / "shop" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text("" if name else DOMAIN)
    (tmp_path / "classic_domains" / "__init__.py").touch()
    for name, text in TABLES.items():
        layer, stem = name.split(".")
        file = tmp_path / "classic_domains" / "shop" / layer / f"{stem}.py"
        file.write_text(f'"""The {stem}."""\n{IMPORTS}\n{dedent(text)}')
    (tmp_path / "landing/shop/o").mkdir(parents=True)
    many = [f"c{number}" for number in range(30)]  # more than Spark writes out of a list by itself
    lines = [["id", "n", *many], *([str(key), "1", *many] for key in range(6))]
    (tmp_path / "landing/shop/o/1.csv").write_text("".join(f"{','.join(line)}\n" for line in lines))
    return Lake(str(tmp_path / "lake"), str(tmp_path / "landing"))


def test_programs_do_on_a_cluster_of_one_user_what_they_do_by_connect(lake: Lake, tmp_path: Path) -> None:
    places = ["--lake", lake.root, "--landing", lake.landing, "--domains", "classic_domains"]
    keys = ",".join(f"shop.{name}" for name in NAMES)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"{lake.landing}/shop/o", keys, *places],
        env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout, done.stderr[-3000:])
    first, second, failed, upkeep, doctor = (part.splitlines() for part in done.stdout.split("@\n")[1:])
    built, again = ([from_json(Report, line) for line in lines] for lines in (first, second))
    assert [(it.table, it.strategy) for it in built] == [
        (f"shop.{name}", strategy) for name, strategy in zip(NAMES, ("append", "full", "full", "full"), strict=True)
    ]
    assert [it.strategy for it in again] == ["append", "merge", "merge", "refresh"]
    assert built[1].lineage == {"id": [("shop.bronze.o", "id")], "n": [("shop.bronze.o", "n")]}
    assert set(rows(lake, "silver.newest")) == {(0, 1), (1, 20), *((key, 1) for key in range(2, 6)), (7, 9)}
    assert len(rows(lake, "gold.counts")) == 7
    assert again[1].counts.rejected == 1
    assert failed[-1].startswith("ExpectationFailed: Writing shop.silver.odd: expectation 'not_seven' is broken")
    maintained = {it.table: it for it in (from_json(Maintained, line) for line in upkeep if line.startswith("{"))}
    assert maintained["shop.silver.newest"].parts[0].files_after == 1
    assert not maintained["shop.silver.newest"].failed
    assert "does not exist; if the file can't be brought back, rebuild" in maintained["shop.bronze.o"].parts[0].problem
    assert upkeep[-1] == "SystemExit: 1"
    assert {line[0] for line in doctor} == {"✓"}, doctor


def rows(lake: Lake, name: str) -> list[tuple[int, ...]]:
    log = read_log(lake.table(f"shop.{name}"))
    assert isinstance(log, TableLog)
    return [*log.table.to_pandas().itertuples(index=False, name=None)]
