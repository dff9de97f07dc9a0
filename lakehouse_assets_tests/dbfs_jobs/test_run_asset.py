"""The program a cluster runs, on the Spark session that its environment has for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.run.plain_json import from_json
from lakehouse_assets.engine.run.report import Position, Report
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.spark import SparkResource


def run_asset(engine: SparkResource, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "SPARK_REMOTE": spark_server.attach(engine.server_settings).url.replace("127.0.0.1", "localhost"),
    }
    command = [sys.executable, "-m", "dbfs_jobs.run_asset", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=180, check=False)


def test_it_builds_a_table_and_says_what_it_did(engine: SparkResource, tmp_path: Path) -> None:
    folder = tmp_path / "landing/airlines/carriers"
    folder.mkdir(parents=True)
    (folder / "carriers.csv").write_text("carrier,name\nUA,United\nDL,Delta\n")
    lake = str(tmp_path / "lake")
    done = run_asset(engine, "airlines.bronze.carriers", "--lake", lake, "--landing", str(tmp_path / "landing"))
    assert done.returncode == 0, done.stderr
    report = from_json(Report, done.stdout.splitlines()[-1])
    assert (report.table, report.strategy) == ("airlines.bronze.carriers", "append")
    assert (report.counts.judged, report.counts.rejected, report.positions) == (2, 0, {"files": Position(1)})
    assert report.stored is not None
    assert (report.stored.version, report.stored.rows) == (0, 2)
    assert report.written is not None
    assert [row[:2] for row in report.written.preview.rows] == [("UA", "United"), ("DL", "Delta")]
    log = read_log(TableRef(f"{lake}/airlines/bronze/carriers"))
    assert log is not None
    assert sorted(log.table.to_pandas()["name"]) == ["Delta", "United"]


def test_a_table_it_does_not_know_is_named_with_those_it_does(engine: SparkResource) -> None:
    done = run_asset(engine, "airlines.gold.nothing", "--lake", "x", "--landing", "y")
    assert done.returncode == 2
    assert "Running 'airlines.gold.nothing': no table is called that; there are airlines.bronze.airports" in done.stderr
