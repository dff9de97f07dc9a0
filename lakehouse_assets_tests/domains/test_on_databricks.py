"""The domains built by jobs of a Databricks workspace, by path and by catalog name, are those that are built here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from lakehouse_assets.domains.airlines.feed import land
from lakehouse_assets.engine.compile.assets import Runner, in_process
from lakehouse_assets.engine.compile.definitions import compile_definitions
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.plan.small_runs import interpreted
from lakehouse_assets.engine.spec.compute import Compute, Serverless
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.resources.databricks import DatabricksResource
from lakehouse_assets.resources.databricks_runner import on_databricks
from lakehouse_assets.resources.lake import LakeResource
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets_tests.servers.databricks import Databricks
from lakehouse_assets_tests.servers.web import Answer, serving
from lakehouse_assets_tests.soak import SOAKING, some

DAYS = 5  # of flights and weather
CATALOG = "spark_catalog"
# When a row was read differs between any two builds, and so does when a history begins that has no time of its own.
ASIDE = {"_ingested_at", "valid_from"}
TOLD_ANEW = {"seconds", "bytes", "files", "preview", "reason", "dagster/uri"}


@dataclass(frozen=True)
class Build:
    """A domain as a run built it in a lake."""

    lakehouse: Lakehouse
    lake: Lake
    result: dg.ExecuteInProcessResult

    def rows(self) -> dict[str, list[str]]:
        """The rows of each table that is built as sorted texts, by delta-rs."""
        logs = {key: read_log(self.lake.table(key)) for key in self.lakehouse.tables}
        return {key: sorted(_texts(log.table.to_pandas())) for key, log in logs.items() if log}

    def told(self) -> dict[str, Any]:
        """What Dagster has of each table and check, but for what is another in each run."""
        made = (event.materialization for event in self.result.get_asset_materialization_events())
        tables = {
            ".".join(of.asset_key.path): {
                name: repr(value) for name, value in of.metadata.items()
                if name not in TOLD_ANEW and not name.startswith("databricks")
            }
            for of in made
        }  # fmt: skip
        checks = {
            f"{'.'.join(c.asset_key.path)} {c.check_name}": (c.passed, c.severity, repr(c.metadata))
            for c in self.result.get_asset_check_evaluations()
        }
        return tables | checks


def _texts(rows: pd.DataFrame) -> list[str]:
    columns = sorted(set(rows.columns) - ASIDE)
    return [json.dumps(row, default=str) for row in rows[columns].astype(object).to_numpy().tolist()]


@pytest.fixture(scope="module", params=some(["airlines", "netflix"], 1))
def landed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shared_data: Path
) -> Iterator[Any]:
    """The domain, the folder of its landed files, and the variables that its declarations name."""
    landing = tmp_path_factory.mktemp(f"landing_{request.param}")
    if request.param == "netflix":
        with serving() as site:
            for file in (shared_data / "netflix").glob("netflix_*.csv"):
                site.pages[f"/{file.name}"] = Answer(file.read_bytes())
            yield request.param, landing, {"LAKEHOUSE_NETFLIX_URL": site.url}
        return
    land(landing / "airlines")
    for name in ("flights", "weather"):
        for file in sorted((landing / "airlines" / name).iterdir())[DAYS:]:
            file.unlink()
    yield request.param, landing, {}


def only(domain: str, compute: Compute | None) -> Lakehouse:
    """A domain as it's declared, but that its tables run as one job, as 19 jobs would take the suite three minutes.

    It's without models and their scores, which take more than five days of flights; `test_databricks_models` has some.
    """
    whole = open_lakehouse(strict=True)
    tables = {key: table for key, table in whole.tables.items() if table.domain == domain and not table.score}
    return Lakehouse({domain: replace(whole.domains[domain], run_as_one_job=True, compute=compute)}, tables)


@contextmanager
def builder(engine: SparkResource, landing: Path, variables: Mapping[str, str], workspace: Databricks) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, interpreted(engine.session(), 0):
        for name, value in {**variables, **workspace.environment}.items():
            patch.setenv(name, value)
        secrets = {name.lower().replace("_", "-"): value for name, value in variables.items()}
        (workspace.folder / "secrets.json").write_text(json.dumps({"shop": secrets}))

        def build(domain: str, root: Path, runner: Any, catalog: str = "", compute: Compute | None = None) -> Build:
            lakehouse, lake = only(domain, compute), Lake(str(root / "lake"), str(landing), catalog=catalog)
            places = ["--lake", lake.root, "--landing", lake.landing, "--secrets", "shop"]
            databricks = DatabricksResource(
                volume=workspace.volume, wheels=[workspace.wheel], poll_seconds=0.5,
                places=[*places, *(["--catalog", catalog] if catalog else [])],
            )  # fmt: skip
            lake_resource = LakeResource(root=lake.root, landing=lake.landing, catalog=catalog)
            resources = {"spark": engine, "lake": lake_resource, "databricks": databricks}
            made: Runner = runner(lakehouse)
            job = compile_definitions(lakehouse, resources, made).resolve_job_def(domain)
            with dg.DagsterInstance.ephemeral(str(root)) as instance:
                return Build(lakehouse, lake, job.execute_in_process(instance=instance, raise_on_error=False))

        yield build


def test_a_domain_built_by_a_job_is_the_one_built_here(
    landed: Any, engine: SparkResource, workspace: Databricks, tmp_path: Path
) -> None:
    domain, landing, variables = landed
    before = len(workspace.seen["jobs"])
    with builder(engine, landing, variables, workspace) as build:
        near = build(domain, tmp_path / "near", in_process)
        # A build takes 40 s. By path, other tests have smaller ones.
        far = build(domain, tmp_path / "far", on_databricks) if SOAKING else None
        _forgotten(engine, domain)  # what a run left behind that was killed
        try:
            # One of them on serverless compute, which has other ways to what takes settings and rows kept in memory.
            compute = Serverless() if domain == "airlines" else None
            named = build(domain, tmp_path / "named", on_databricks, CATALOG, compute)
            found = _in_catalog(engine, domain)
        finally:
            _forgotten(engine, domain)
    assert near.result.success
    told, rows = near.told(), near.rows()
    assert len(rows) > 15
    for build_ in filter(None, (far, named)):
        assert build_.told() == told
        assert build_.rows() == rows
    assert {f"{domain}_{key.split('.')[1]}.{key.split('.')[2]}" for key in rows} <= found
    jobs = workspace.seen["jobs"][before:]
    assert [job["run_name"] for job in jobs] == [domain] * (2 if far else 1)  # one a build
    assert bool(jobs[-1].get("environments")) == (domain == "airlines")  # which serverless compute has
    assert workspace.left == {}


def _forgotten(engine: SparkResource, domain: str) -> None:
    for schema in _schemas(engine, domain):
        engine.session().sql(f"DROP SCHEMA {CATALOG}.{schema} CASCADE").collect()


def _schemas(engine: SparkResource, domain: str) -> list[str]:
    return [row[0] for row in engine.session().sql(f"SHOW SCHEMAS IN {CATALOG} LIKE '{domain}_*'").collect()]


def _in_catalog(engine: SparkResource, domain: str) -> set[str]:
    spark = engine.session()
    shown = [row for schema in _schemas(engine, domain) for row in spark.sql(f"SHOW TABLES IN {schema}").collect()]
    return {f"{row['namespace']}.{row['tableName']}" for row in shown}
