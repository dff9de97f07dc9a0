"""The lake, as the steps and sensors get it from Dagster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from lakehouse_assets.engine.compile.in_flight import note_process
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.folders import own_folder
from lakehouse_assets.resources.azure import lake_at, queues_at
from lakehouse_assets.settings import Settings, without_password

if TYPE_CHECKING:
    from lakehouse_assets.engine.sources.arrivals.notifications import Queues


class LakeResource(dg.ConfigurableResource[None]):
    """Where tables are (`root`) and where files arrive (`landing`): paths, or URLs of an object store.

    `queue` is the name of the Storage Queue in which Event Grid tells of arrivals, if there is one. `downloads` says
    whether runs land what `http(…)` declares; else Data Factory does. `catalog` has the tables by name, if one does.
    `elsewhere` has the paths or URLs of the tables that others make, by their keys. `online` is the store of the latest
    features, `mlflow` the tracking store of models and `mlflow_registry` their registry, and `models` is a folder of
    this machine for locks and copies of them. A password is taken from LAKEHOUSE_ONLINE, LAKEHOUSE_MLFLOW and
    LAKEHOUSE_MLFLOW_REGISTRY: Dagster shows the configuration of resources to everyone.
    """

    root: str
    landing: str
    queue: str = ""
    downloads: bool = True
    catalog: str = ""
    elsewhere: dict[str, str] = Field(default_factory=dict)
    online: str = ""
    mlflow: str = ""
    mlflow_registry: str = ""
    models: str = ""

    @classmethod
    def from_settings(cls, settings: Settings, elsewhere: Mapping[str, str] | None = None) -> LakeResource:
        return cls(
            root=settings.lake, landing=settings.landing, queue=settings.queue, downloads=not settings.data_factory,
            catalog=settings.catalog, elsewhere=dict(elsewhere or {}),
            online=without_password(settings.online), mlflow=without_password(settings.mlflow),
            mlflow_registry=without_password(settings.mlflow_registry), models=settings.models.folder,
        )  # fmt: skip

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Make the folders, and note the process of a run in its tags before its first step; a sensor has no run.

        Raises:
            UnsafeFolder: one belongs to another user, or is open to all.
        """
        for url, what in ((self.root, "the lake"), (self.landing, "the landing folder")):
            if "://" not in url:
                own_folder(Path(url), what)
        if context.run is not None and context.instance is not None:
            note_process(context.instance, context.run.run_id, self.root)

    def lake(self) -> Lake:
        """The lake, with what delta-rs needs to reach it.

        Raises:
            SettingsError: it's in Azure, and there is no way to its account.
        """
        lake = lake_at(self.root, self.landing, self.downloads, self.catalog, self.elsewhere)
        tracking = _with_password(self.mlflow, "LAKEHOUSE_MLFLOW")
        # Where no registry is set, it's the tracking store's.
        registry = tracking if self.mlflow_registry == self.mlflow else self.mlflow_registry
        registry = _with_password(registry, "LAKEHOUSE_MLFLOW_REGISTRY")
        models = ModelStore(tracking, registry, self.models, self.catalog) if self.mlflow else None
        return replace(lake, online=_with_password(self.online, "LAKEHOUSE_ONLINE"), models=models)

    def queues(self) -> Queues | None:
        """The queues of the notifications, if there are any.

        Raises:
            SettingsError: the landing folders aren't in Azure, or there is no way to their account.
        """
        return queues_at(self.queue, self.landing) if self.queue else None


def _with_password(url: str, variable: str) -> str:
    """The URL as a variable of the environment has it, if it's that one."""
    given = os.environ.get(variable, "")
    return given if without_password(given) == url else url
