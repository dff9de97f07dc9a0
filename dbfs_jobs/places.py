"""What all programs of a cluster are told: where the lakehouse is, and whose secrets lead to it."""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.deploy.databricks_job import SECRETS
from lakehouse_assets.engine.graph.validate import load
from lakehouse_assets.engine.registry.store import UNITY_CATALOG, ModelStore
from lakehouse_assets.folders import private_folder
from lakehouse_assets.private.pyspark import capture_all_errors
from lakehouse_assets.resources.azure import lake_at
from lakehouse_assets.resources.spark_session import configured

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def add_places(parser: argparse.ArgumentParser) -> None:
    """The arguments that say where the lakehouse is."""
    parser.add_argument("--lake", required=True, help="root of the Delta tables, a path or a URL")
    parser.add_argument("--landing", required=True, help="root of the landing folders, a path or a URL")
    parser.add_argument("--catalog", default="", help="the catalog that has the tables by name")
    parser.add_argument("--domains", default="lakehouse_assets.domains", help="the package of the domains")
    parser.add_argument("--by-factory", action="store_true", help="Data Factory lands what is declared as http(…)")
    parser.add_argument("--secrets", default="", help="the secret scope whose azure-… and lakehouse-… become variables")
    for name in ("context", "messages"):  # which Dagster Pipes reads by itself
        parser.add_argument(f"--dagster-pipes-{name}", help=argparse.SUPPRESS)


def opened(given: argparse.Namespace) -> Context:
    """What a run works with, on the Spark session that this environment has.

    A catalog knows the way to its tables, so Spark is told of the stores where there is none.
    """
    if given.secrets:
        take_secrets(given.secrets)
    lakehouse = load(given.domains, strict=False)
    elsewhere = lakehouse.elsewhere
    at = lake_at(given.lake, given.landing, not given.by_factory, given.catalog, elsewhere)
    lake = replace(at, models=_models(given.catalog))
    stores = () if given.catalog else (given.lake, given.landing, *elsewhere.values())

    def session() -> SparkSession:
        from pyspark.sql import SparkSession

        capture_all_errors()
        return configured(SparkSession.builder.getOrCreate(), stores)

    return Context(lakehouse, lake, session)


def _models(catalog: str) -> ModelStore:
    """Where models are kept: the workspace's own MLflow, and Unity Catalog where there is one, unless a variable (or
    secret) says otherwise.
    """
    tracking = os.environ.get("LAKEHOUSE_MLFLOW") or "databricks"
    own = UNITY_CATALOG if catalog and tracking == "databricks" else tracking
    folder = private_folder(Path(tempfile.gettempdir()) / f"lakehouse-models-{os.getuid()}", "the folder for models")
    return ModelStore(tracking, os.environ.get("LAKEHOUSE_MLFLOW_REGISTRY") or own, str(folder), catalog)


def take_secrets(scope: str) -> list[str]:
    """Make variables of the secrets of a scope; what they are called now."""
    from databricks.sdk.runtime import dbutils  # which a Databricks runtime has

    names = [secret.key for secret in dbutils.secrets.list(scope) if secret.key.startswith(SECRETS)]
    taken = {name.upper().replace("-", "_"): dbutils.secrets.get(scope, name) for name in names}
    os.environ.update(taken)
    return [*taken]
