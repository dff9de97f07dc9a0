"""What Dagster, Pipes and the Jobs API add to a table that a job computes, and what one job for several tables saves.

The workspace is a server on loopback, whose jobs begin at once. A real one takes minutes to start a cluster for each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import dagster as dg

from benchmarks.measure import Bench, Row, timed
from lakehouse_assets.engine.compile.assets import build_asset
from lakehouse_assets.engine.compile.names import op_name
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.databricks import DatabricksResource
from lakehouse_assets.resources.databricks_runner import on_databricks
from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.project import DOMAIN, Project
from lakehouse_assets_tests.servers.databricks import Databricks, build_wheel, running

TABLES = 5
PROGRAM = "from dbfs_jobs.run_asset import main; main()"


def run(bench: Bench) -> list[Row]:
    folder = bench.folder / "databricks"
    folder.mkdir()
    spark = spark_server.attach(bench.engine.server_settings).url.replace("127.0.0.1", "localhost")
    sys.path.insert(0, str(folder))
    with running(folder / "workspace", spark) as workspace, patch.dict(os.environ, workspace.environment):
        project = _declared(Project(folder, "of_databricks", bench.engine))
        workspace.install(folder, project.package)
        jobs = _resource(project, workspace, build_wheel(folder / "wheel"))
        step = bench.pair(timed(lambda: _made(project, jobs, 1)), timed(lambda: _alone(project, spark)))
        each = timed(lambda: _made(project, jobs, TABLES))
        together = timed(lambda: _together(project, jobs))
        several = bench.pair(together, each)
    return [
        Row("a table by a job, and its program alone", *step, "report", "the workspace starts jobs at once"),
        Row(f"{TABLES} tables as one job, and as {TABLES}", *several, "report", "the workspace starts jobs at once"),
    ]


def _declared(project: Project) -> Project:
    project.bronze("orders")
    for number in range(TABLES):
        project.table(f"gold.g{number}", f'g{number} = sql_table(o="bronze.orders", sql="SELECT * FROM o")')
    project.land("orders/1.csv", "id,amount\n1,5\n2,7\n")
    project.run("bronze.orders")
    return project


def _resource(project: Project, workspace: Databricks, wheel: Path) -> DatabricksResource:
    return DatabricksResource(
        volume=workspace.volume, wheels=[str(wheel)], places=_places(project), poll_seconds=0.5
    )  # fmt: skip


def _places(project: Project) -> list[str]:
    return ["--lake", project.lake.root, "--landing", project.lake.landing, "--domains", project.package]


def _made(project: Project, jobs: DatabricksResource, tables: int) -> None:
    lakehouse = project.lakehouse
    keys = [f"shop.gold.g{number}" for number in range(tables)]
    assets = [build_asset(lakehouse.tables[key], lakehouse, on_databricks(lakehouse)) for key in keys]
    config = {"ops": {op_name(key): {"config": {"full_refresh": True}} for key in keys}}
    assert dg.materialize(assets, resources={**project.resources, "databricks": jobs}, run_config=config).success


def _together(project: Project, jobs: DatabricksResource) -> None:
    with _one_job(project):
        _made(project, jobs, TABLES)


@contextmanager
def _one_job(project: Project) -> Iterator[None]:
    file = project.root / project.package / "shop" / "__init__.py"
    file.write_text(DOMAIN.replace("freshness=", "run_as_one_job=True, freshness="))
    try:
        yield
    finally:
        file.write_text(DOMAIN)


def _alone(project: Project, spark: str) -> None:
    env = {**os.environ, "SPARK_REMOTE": spark, "PYTHONPATH": os.pathsep.join([str(project.root), str(PROJECT)])}
    command = [sys.executable, "-c", PROGRAM, "shop.gold.g0", "--full", *_places(project)]
    subprocess.run(command, env=env, check=True, capture_output=True)
