"""MLflow's tracking store and registry by their addresses, and a client of both."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lakehouse_assets.engine.errors import RegistryUnavailable
from lakehouse_assets.engine.registry.quiet import quiet

if TYPE_CHECKING:
    from mlflow import MlflowClient

# The only registry whose names have to be `catalog.schema.model`.
UNITY_CATALOG = "databricks-uc"
# Those that MLflow can keep runs in, by their SQLAlchemy names (mlflow.utils.uri.DATABASE_ENGINES in 3.17).
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


@dataclass(frozen=True)
class ModelStore:
    """MLflow by the URIs of its tracking store and of its registry.

    `folder` is one of this machine, for locks and copies of models. `catalog` has the models where Unity Catalog does.
    """

    tracking: str
    registry: str
    folder: str
    catalog: str = ""

    def name(self, key: str) -> str:
        """What the registry calls the model of a key, `domain.models.name`."""
        domain, layer, name = key.split(".")
        return f"{self.catalog}.{domain}_{layer}.{name}" if self.registry.startswith(UNITY_CATALOG) else key

    @property
    def artifacts(self) -> str | None:
        """Where the files of runs go; None where a server decides. MLflow itself would take the current folder."""
        return f"{self.folder}/artifacts" if self.is_database else None

    @property
    def is_database(self) -> bool:
        """Whether the tracking store is a database that we open, and no server."""
        return urlsplit(self.tracking).scheme.partition("+")[0] in _DATABASES


def open_store(store: ModelStore) -> MlflowClient:
    """A client. The database of a local store is made or migrated by one process, while others wait.

    Raises:
        RegistryUnavailable: the store can't be opened.
    """
    from mlflow import MlflowClient

    if store not in _clients:
        with answering(store, "Opening MLflow"), locked(store, "database"), quiet():
            client = MlflowClient(tracking_uri=store.tracking, registry_uri=store.registry)
            client.search_registered_models(max_results=1)
        _clients[store] = client
    return _clients[store]


def use(store: ModelStore) -> None:
    """Make a store that of this process, as MLflow logs and loads models by no other, whatever it's given."""
    import mlflow

    mlflow.set_tracking_uri(store.tracking)
    mlflow.set_registry_uri(store.registry)


# One a process: each opens the database and looks at its version.
_clients: dict[ModelStore, MlflowClient] = {}


@contextmanager
def answering(store: ModelStore, doing: str) -> Iterator[None]:
    """What MLflow raises, told as ours.

    Raises:
        RegistryUnavailable: MLflow refused, or didn't answer.
    """
    import requests
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, requests.RequestException, OSError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RegistryUnavailable(
            f"{doing}: MLflow at {_shown(store.tracking)} says: {said}; see that it's there and may be used, "
            "or set LAKEHOUSE_MLFLOW"
        ) from error


def where_mlflow_is(store: ModelStore) -> str:
    """How a person opens MLflow's UI, in words."""
    if store.is_database:
        return "`lakehouse dev --mlflow 5001` serves MLflow's UI too"
    return f"MLflow is at {_shown(store.tracking)}"


def _shown(uri: str) -> str:
    """An address without a password."""
    url = urlsplit(uri)
    return uri.replace(f":{url.password}@", ":***@") if url.password else uri


@contextmanager
def locked(store: ModelStore, what: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock among the processes of this machine, which ends with its process; whether it was to be had."""
    folder = Path(store.folder) / "locks"
    for made in (folder.parent, folder):  # what mkdir makes on the way is open to all
        made.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"{what}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def this_host() -> str:
    """The machine, as runs are tagged with it: a lock tells nothing of processes elsewhere."""
    return os.uname().nodename
