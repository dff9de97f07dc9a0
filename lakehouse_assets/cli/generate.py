"""`lakehouse generate`: what other services are told of the declared tables, written as files for them to read."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_assets.cli.app import app
from lakehouse_assets.cli.terminal import tell
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.environment import open_lake, open_lakehouse
from lakehouse_assets.settings import PROJECT, Settings, read_settings

if TYPE_CHECKING:
    from lakehouse_assets.engine.deploy.databricks_bundle import Declared
    from lakehouse_assets.engine.graph.discover import Lakehouse

# What the files in deploy/ are made for, where the settings name no lake in Azure that a catalog has.
_IN_AZURE = "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net"
PLACEHOLDER = Lake(f"{_IN_AZURE}/lake", f"{_IN_AZURE}/landing", catalog="main")


class Service(StrEnum):
    """For whom files are written."""

    DATA_FACTORY = "data-factory"
    BUNDLE = "bundle"
    UNITY_CATALOG = "unity-catalog"


FOLDERS = {Service.DATA_FACTORY: "adf", Service.BUNDLE: "databricks", Service.UNITY_CATALOG: "databricks"}


@app.command()
def generate(
    service: Annotated[Service, typer.Argument(help="for whom")] = Service.DATA_FACTORY,
    to: Annotated[Path | None, typer.Option("--to", help="the folder; one of deploy/ by default")] = None,
    credential: Annotated[str, typer.Option(help="the storage credential of Unity Catalog")] = "lakehouse",
) -> None:
    """Write what another service is told: pipelines of Azure Data Factory that land the files of `http(…)` and
    `extract(…)`, a bundle of Databricks jobs, or the SQL of schemas, comments, keys and grants for Unity Catalog.
    """
    lakehouse, settings = open_lakehouse(strict=True), read_settings()
    folder = to or PROJECT / "deploy" / FOLDERS[service]
    files = _files(service, lakehouse, settings, credential)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    tell(f"{len(files)} files written to {folder}." if len(files) != 1 else f"{folder / next(iter(files))} is written.")
    if service is Service.UNITY_CATALOG and _lake(lakehouse, settings) is PLACEHOLDER:
        tell(
            f"It is made for {PLACEHOLDER.root}; for yours, set LAKEHOUSE_LAKE and LAKEHOUSE_LANDING to URLs, and "
            "LAKEHOUSE_CATALOG."
        )


def _files(service: Service, lakehouse: Lakehouse, settings: Settings, credential: str) -> dict[str, str]:
    match service:
        case Service.DATA_FACTORY:
            from lakehouse_assets.engine.deploy.data_factory import factory_files

            return {name: json.dumps(body, indent=2) + "\n" for name, body in factory_files(lakehouse).items()}
        case Service.BUNDLE:
            import yaml

            from lakehouse_assets.engine.deploy.databricks_bundle import databricks_bundle

            # By way of JSON, as YAML would write what jobs share once, and refer to it.
            bundle = json.loads(json.dumps(databricks_bundle(declared_for_bundle(lakehouse, settings.domains))))
            return {"databricks.yml": yaml.safe_dump(bundle, sort_keys=False, allow_unicode=True, width=120)}
        case Service.UNITY_CATALOG:
            from lakehouse_assets.engine.deploy.unity_catalog import Catalog, unity_catalog_sql

            lake = _lake(lakehouse, settings)
            tables = {key: (lake.table(key).name, lake.table(key).path) for key in lakehouse.tables}
            schemas = {key: lake.schemas(table) for key, table in lakehouse.tables.items()}
            catalog = Catalog(lake.catalog, lake.root, lake.landing, credential, tables, schemas)
            return {"unity_catalog.sql": unity_catalog_sql(lakehouse, catalog)}


def _lake(lakehouse: Lakehouse, settings: Settings) -> Lake:
    in_store = all("://" in root for root in settings.stores)
    return open_lake(lakehouse, settings) if settings.catalog and in_store else PLACEHOLDER


def declared_for_bundle(lakehouse: Lakehouse, package: str) -> Declared:
    """The tables where the variables of a bundle have them, but for those that others make at places of their own."""
    from lakehouse_assets.engine.deploy.databricks_bundle import Declared
    from lakehouse_assets.engine.deploy.databricks_tasks import Place

    elsewhere = {key: TableRef(at) for key, at in lakehouse.elsewhere.items()}
    lake = Lake("${var.lake}", "${var.landing}", catalog="${var.catalog}", elsewhere=elsewhere)
    return Declared(lakehouse, package, lambda key: Place(lake.table(key).path, lake.table(key).name))
