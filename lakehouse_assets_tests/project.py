"""A lakehouse in a temporary folder, made of domain files as a user writes them."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import dagster as dg
import fsspec

from lakehouse_assets.engine.compile.assets import build_asset
from lakehouse_assets.engine.compile.definitions import compile_definitions
from lakehouse_assets.engine.compile.names import op_name
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.graph.validate import load
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.plan.plan import Logs, Plan
from lakehouse_assets.engine.plan.planner import plan_table
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.engine.run.backfill import backfill
from lakehouse_assets.engine.run.ingest.forget import forget
from lakehouse_assets.engine.run.materialize import materialize
from lakehouse_assets.engine.run.outcome import Outcome
from lakehouse_assets.engine.run.replay.replay import replay
from lakehouse_assets.engine.run.report import ModelReport, Report
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.run.update import update
from lakehouse_assets.engine.spec.asset import LAYERS
from lakehouse_assets.resources.azure import lake_at
from lakehouse_assets.resources.lake import LakeResource
from lakehouse_assets.resources.spark import SparkResource

if TYPE_CHECKING:
    import pandas as pd

DOMAIN = """
from datetime import timedelta
from lakehouse_assets.engine import Domain
shop = Domain(owner="team:shop", schedule="0 6 * * *", freshness=timedelta(days=1))
"""
IMPORTS = """
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from lakehouse_assets.engine import *
"""


def listed(columns: str) -> str:
    """`day date, n bigint` as the columns of a declaration."""
    return ", ".join("Column('{}', '{}')".format(*column.split()) for column in columns.split(", "))


class Project:
    """`table` declares, `land` delivers, `run` materialises, `rows` looks.

    Tables and files are in the folder `root`, or at `store`, the URL of a container. `queue` has notifications;
    `factory` lands what is declared to be downloaded.
    """

    queue = ""
    factory: dg.ConfigurableResource[None] | None = None

    def __init__(self, root: Path, package: str, engine: SparkResource, fresh: bool = True, store: str = "") -> None:
        self.root, self.package, self.engine, self.store = root, package, engine, store
        models = ModelStore(
            f"sqlite:///{root}/mlflow/mlflow.db", f"sqlite:///{root}/mlflow/mlflow.db", f"{root}/mlflow"
        )
        lake = lake_at(f"{store or root}/lake", f"{store or root}/landing")
        self.lake = replace(lake, online=os.environ.get("LAKEHOUSE_ONLINE", ""), models=models)
        if fresh:
            self._scaffold()

    def _scaffold(self) -> None:
        self._write("__init__.py", "")
        self._write("shop/__init__.py", DOMAIN)
        for layer in (*LAYERS, "models", "sinks"):
            self._write(f"shop/{layer}/__init__.py", "")

    def _write(self, name: str, text: str) -> Path:
        path = self.root / self.package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def table(self, name: str, text: str) -> None:
        """Declare `layer.name`, or declare it anew, by the text of its file."""
        layer, stem = name.split(".")
        self._write(f"shop/{layer}/{stem}.py", f'"""The {stem}."""\n{IMPORTS}\n{dedent(text)}')

    def model(self, name: str, text: str) -> None:
        """Declare `models.name`, or declare it anew, by the text of its file."""
        self._write(f"shop/models/{name}.py", f'"""The {name}."""\n{IMPORTS}\n{dedent(text)}')

    def sink(self, name: str, declared: str) -> None:
        """Declare `sinks.name`, or declare it anew, by what is assigned to that name."""
        self._write(f"shop/sinks/{name}.py", f'"""The {name}."""\n{IMPORTS}\n{name} = {declared}\n')

    def train(self, name: str, **options: Any) -> ModelReport:
        """Run a model; what became of it."""
        report = materialize(Request(f"shop.models.{name}", **options), self.context())
        assert report.model is not None
        return report.model

    def bronze(self, name: str, options: str = "") -> None:
        """A bronze table of CSV files in the landing folder of its name."""
        self.table(
            f"bronze.{name}",
            f"""
            @table(landed=files("{name}/*"{options and ", " + options}))
            def {name}(landed: DataFrame) -> DataFrame:
                return landed
            """,
        )

    def external(self, name: str, at: str, more: str = "") -> None:
        """A table that a job of others makes at a place of its own."""
        stem = name.rpartition(".")[2]
        self.table(name, f'{stem} = external_table(job=Job("nightly {stem}"), at={at!r}, {more})')
        self.lake = replace(self.lake, elsewhere={**self.lake.elsewhere, f"shop.{name}": TableRef(at)})

    @property
    def lakehouse(self) -> Lakehouse:
        """The tables as their files have them now."""
        self.forget_modules()
        return load(self.package)

    def forget_modules(self) -> None:
        """Have the files imported anew."""
        importlib.invalidate_caches()
        for module in [n for n in sys.modules if n.split(".")[0] == self.package]:
            del sys.modules[module]

    def land(self, name: str, data: str | bytes) -> str:
        """Deliver a file, complete at once; its path or URL."""
        store, path = fsspec.core.url_to_fs(f"{self.lake.landing}/shop/{name}")
        store.makedirs(path.rpartition("/")[0], exist_ok=True)
        store.pipe_file(path, data.encode() if isinstance(data, str) else data)
        return f"{self.lake.landing}/shop/{name}"

    @property
    def store_name(self) -> str:
        """A name of its own for a database or the like."""
        return self.root.name.replace("[", "_").replace("]", "")[:50]

    def context(self) -> Context:
        return Context(self.lakehouse, self.lake, self.engine.session)

    def run(self, name: str, full: bool = False, accept_loss: bool = False) -> Outcome:
        context = self.context()
        return update(context.lakehouse.tables[f"shop.{name}"], context, full, accept_loss)

    def materialize(self, name: str, full: bool = False) -> Report:
        """All that a run does, with its checks and its online copy."""
        return materialize(Request(f"shop.{name}", full), self.context())

    def replay(self, name: str) -> Outcome:
        context = self.context()
        return replay(context.lakehouse.tables[f"shop.{name}"], context)

    def forget(self, name: str, path: str, reason: str = "") -> Outcome:
        context = self.context()
        return forget(context.lakehouse.tables[f"shop.{name}"], context, path, "ann", reason)

    def backfill(self, name: str, first: str, last: str) -> Outcome:
        context, days = self.context(), (date.fromisoformat(first), date.fromisoformat(last))
        return backfill(context.lakehouse.tables[f"shop.{name}"], context, *days)

    def definitions(self, *, strict: bool = True) -> dg.Definitions:
        """The code location that Dagster loads; unless `strict`, without the tables that have a problem."""
        return compile_definitions(self.lakehouse if strict else load(self.package, strict=False), self.resources)

    @property
    def online(self) -> str:
        """The store of the latest features; none unless it's set here, or in the environment."""
        return self.lake.online

    @online.setter
    def online(self, url: str) -> None:
        self.lake = replace(self.lake, online=url)

    @property
    def resources(self) -> dict[str, dg.ConfigurableResource[Any]]:
        lake = LakeResource(
            root=self.lake.root, landing=self.lake.landing, queue=self.queue, downloads=not self.factory,
            catalog=self.lake.catalog, online=self.online,
            mlflow=self.lake.registry.tracking, mlflow_registry=self.lake.registry.registry,
            models=self.lake.registry.folder,
            elsewhere={key: place.path for key, place in self.lake.elsewhere.items()},
        )  # fmt: skip
        return {"spark": self.engine, "lake": lake, **({"data_factory": self.factory} if self.factory else {})}

    def by_dagster(self, name: str, **options: bool | str) -> dg.ExecuteInProcessResult:
        """Materialise a table by its asset, with some `RunOptions`."""
        lakehouse, key = self.lakehouse, f"shop.{name}"
        asset, config = build_asset(lakehouse.tables[key], lakehouse), {"ops": {op_name(key): {"config": options}}}
        return dg.materialize([asset], resources=self.resources, run_config=config, raise_on_error=False)

    def plan(self, name: str, full: bool = False) -> Plan:
        lakehouse = self.lakehouse
        return plan_table(lakehouse.tables[f"shop.{name}"], lakehouse, Logs(self.lake), full)

    def leave_to_spark(self, name: str) -> None:
        """Give a table a feature that delta-rs doesn't write, so that Spark writes little data to it too."""
        path = self.lake.table(f"shop.{name}").path
        told = "SET TBLPROPERTIES ('delta.enableRowTracking' = 'true')"
        self.engine.session().sql(f"ALTER TABLE delta.`{path}` {told}").collect()

    def log(self, name: str) -> TableLog:
        log = read_log(self.lake.table(f"shop.{name}"))
        assert log is not None, f"{name} isn't built"
        return log

    def rows(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        """The rows of a table, sorted, read by delta-rs and not by the engine that wrote them."""
        return _sorted(self.log(name).table.to_pandas(), columns)

    def rejected(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        """The rows of a table's quarantine."""
        log = read_log(self.lake.quarantine(f"shop.{name}"))
        return [] if log is None else _sorted(log.table.to_pandas(), columns)


def _sorted(rows: pd.DataFrame, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    chosen = rows[list(columns)] if columns else rows
    plain = chosen.astype(object).where(chosen.notna(), None)
    return sorted(plain.itertuples(index=False, name=None), key=repr)
