"""A domain whose files have landed in a folder of its own: runs of it, its tables, and what its checks counted."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from lakehouse_assets.definitions import definitions
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.settings import read_settings


@dataclass
class Landed:
    """`broken` has of each table the rows that broke an expectation, as the last run counted them."""

    domain: str
    home: Path
    instance: dg.DagsterInstance
    broken: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def landing(self) -> Path:
        return self.home / "landing" / self.domain

    @property
    def _lake(self) -> Lake:
        return Lake(str(self.home / "lake"), str(self.home / "landing"))

    def run(self) -> dict[str, str]:
        """Bring all tables up to date; the strategy of each that is built."""
        job = definitions(read_settings({**os.environ, "LAKEHOUSE_HOME": str(self.home)})).resolve_job_def(self.domain)
        done = job.execute_in_process(instance=self.instance)
        assert done.success
        for check in done.get_asset_check_evaluations():
            if (rows := check.metadata.get("rows_broken")) and rows.value:
                self.broken.setdefault(_name(check.asset_key), {})[check.check_name] = int(str(rows.value))
        made = (e.step_materialization_data.materialization for e in done.get_asset_materialization_events())
        return {_name(one.asset_key): str(one.metadata["strategy"].value) for one in made}

    def table(self, name: str) -> pd.DataFrame:
        """The rows of `layer.name`, read by delta-rs and not by the engine; without system columns."""
        log = read_log(self._lake.table(f"{self.domain}.{name}"))
        assert log is not None
        rows = log.table.to_pandas()
        return rows[[column for column in rows if not column.startswith("_")]]

    def trained(self, name: str) -> Run:
        """The run of MLflow that made a model's champion."""
        uri = f"sqlite:///{self.home}/mlflow/mlflow.db"
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        champion = client.get_model_version_by_alias(f"{self.domain}.models.{name}", "champion")
        return client.get_run(champion.run_id or "")

    def rejected(self, name: str) -> list[dict[str, Any]]:
        """The rows in quarantine, as they came."""
        log = read_log(self._lake.quarantine(f"{self.domain}.{name}"))
        return [] if log is None else [json.loads(row) for row in log.table.to_pandas()["row"]]


def _name(key: dg.AssetKey) -> str:
    return ".".join(key.path[1:])
