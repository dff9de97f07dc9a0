"""The programs that maintain tables on a cluster, and say what the cluster lacks, on the session that is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse_assets.engine.run.maintain import Maintained
from lakehouse_assets.engine.run.plain_json import from_json
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets_tests.project import Project


def program(name: str, project: Project, *arguments: str, spark: str = "") -> subprocess.CompletedProcess[str]:
    address = spark or spark_server.attach(project.engine.server_settings).url.replace("127.0.0.1", "localhost")
    env = {
        **os.environ, "SPARK_REMOTE": address,
        "PYTHONPATH": os.pathsep.join([str(project.root), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    places = ("--lake", project.lake.root, "--landing", project.lake.landing, "--domains", project.package)
    command = [sys.executable, "-m", f"dbfs_jobs.{name}", *arguments, *places]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=180, check=False)


@pytest.fixture
def shop(project: Project) -> Project:
    for name in ("o", "p"):
        project.bronze(name)
    for number in (1, 2):
        project.land(f"o/{number}.csv", f"id\n{number}\n")
        project.run("bronze.o")
    return project


def test_each_table_is_a_line_and_one_that_fails_is_the_exit_code(shop: Project) -> None:
    done = program("maintain", shop)
    assert done.returncode == 0, done.stderr
    first, second = (from_json(Maintained, line) for line in done.stdout.splitlines())
    (rows,) = first.parts
    assert (first.table, rows.files_before, rows.files_after, rows.problem) == ("shop.bronze.o", 2, 1, "")
    assert second == Maintained("shop.bronze.p")
    Path(shop.lake.table("shop.bronze.p").path, "_delta_log").mkdir(parents=True)
    Path(shop.lake.table("shop.bronze.p").path, "_delta_log", f"{0:020}.json").write_text("no JSON\n")
    done = program("maintain", shop, "shop.bronze.p", "--keep-days", "30")
    assert done.returncode == 1
    (only,) = (from_json(Maintained, line) for line in done.stdout.splitlines())
    assert "Reading the log of" in only.parts[0].problem


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["shop.bronze.q"], "Maintaining 'shop.bronze.q': no table is called that; there are shop.bronze.o"),
        (["sho"], "Maintaining 'sho': no table is called that"),
        (["shop.silver"], "shop.silver.broken isn't loaded: "),
        (["--keep-days", "2"], "Keeping the files of 2 days: "),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is(project: Project, arguments: list[str], why: str) -> None:
    project.bronze("o")
    project.table("silver.broken", "1 +\n")
    done = program("maintain", project, *arguments, spark="sc://localhost:1")
    assert (done.returncode, why in done.stderr) == (2, True), done.stderr


def test_doctor_tries_what_tables_need_of_a_cluster_and_leaves_nothing(shop: Project) -> None:
    before = {*Path(shop.lake.root).rglob("*")}
    done = program("doctor", shop, "--catalog", "spark_catalog")
    assert done.returncode == 0, done
    found = dict(line[2:].split(": ", 1) for line in done.stdout.splitlines())
    assert {line[0] for line in done.stdout.splitlines()} == {"✓"}
    assert [*found] == [
        "Python", "wheel", "delta-rs", "declared tables", "landing folder", "lake by delta-rs", "Spark",
        "lake by Spark", "catalog",
    ]  # fmt: skip
    assert found["Spark"].startswith("4.0.")
    assert found["lake by Spark"] == f"{shop.lake.root}: a Delta table was written, read and deleted"
    assert {*Path(shop.lake.root).rglob("*")} == before
    schemas = shop.engine.session().sql("SHOW SCHEMAS").collect()
    assert not [row[0] for row in schemas if row[0].startswith("_doctor")]


def test_doctor_tells_of_each_thing_that_a_cluster_lacks(project: Project, engine: SparkResource) -> None:
    project.table("bronze.broken", "1 +\n")
    Path(project.lake.root).touch()
    done = program("doctor", project, "--catalog", "nowhere", "--secrets", "none")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    marks = {line[2:].split(": ", 1)[0]: line[0] for line in done.stdout.splitlines()}
    assert marks == {
        "Python": "✓", "wheel": "✓", "delta-rs": "✓", "secrets": "✗", "declared tables": "✗", "landing folder": "✗",
        "lake by delta-rs": "✗", "Spark": "✓", "lake by Spark": "✗", "catalog": "✗",
    }  # fmt: skip
