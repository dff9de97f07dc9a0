"""MLflow's registry: which version of a model its alias `champion` names, and that version loaded and tried."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.registry.store import ModelStore, open_store, use
from lakehouse_assets.engine.registry.versions import CHAMPION
from lakehouse_assets.serve.models.answer import answer_of
from lakehouse_assets.serve.models.input.given import JSON, read
from lakehouse_assets.serve.models.signature import Signature, signature_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.pyfunc import PyFuncModel


class NoModel(LakehouseError):
    """The registry, or the model in it, isn't there."""


@dataclass(frozen=True)
class Version:
    """A version of a registered model; of one that was deleted and registered anew, the time differs."""

    name: str
    version: str
    run_id: str
    created: int


@dataclass(frozen=True)
class Champion:
    """A loaded version. Its lock is held while it predicts.

    Threads that predict together gain nothing: a pipeline of scikit-learn took 2.9 ms a request by one thread, 2.95 by
    two and 3.3 by four, as Python runs one at a time. And not every flavour allows it.
    """

    of: Version
    model: PyFuncModel
    signature: Signature
    loaded_at: float
    lock: threading.Lock = field(default_factory=threading.Lock, compare=False)

    def predict(self, data: Any, params: dict[str, Any] | None) -> Any:
        """What the model says, whatever it raises."""
        with self.lock:
            return self.model.predict(data, params=params)


def opened(store: ModelStore) -> MlflowClient:
    """A client of MLflow's store, which is this process's from now on.

    Raises:
        NoModel: a file of SQLite isn't there, which MLflow would make.
        RegistryUnavailable: it can't be opened.
    """
    for uri in (store.tracking, store.registry):
        path = Path(uri.removeprefix("sqlite:///"))
        if uri.startswith("sqlite:///") and not path.exists():
            raise NoModel(f"Opening MLflow's store {path}: there is no such file; train a model first")
    use(store)
    return open_store(store)


def require_registered(client: MlflowClient, name: str) -> None:
    """Look whether a model of this name is registered.

    Raises:
        NoModel: it isn't; the message names the nearest.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise NoModel(f"Asking MLflow's registry for {name!r}: {error.message}") from None
        there = [model.name for model in client.search_registered_models()]
        near = get_close_matches(name, there, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "train it first"
        raise NoModel(f"No model is registered as {name!r} in MLflow; {hint}") from None


def champion_of(client: MlflowClient, name: str) -> Version | None:
    """The version with the alias, or None if no version has it. It raises whatever MLflow does."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_model_version_by_alias(name, CHAMPION)  # one query: 2 ms on SQLite
    except MlflowException:
        if CHAMPION in client.get_registered_model(name).aliases:
            raise
        return None
    return Version(name, str(found.version), found.run_id or "", found.creation_timestamp or 0)


def load(version: Version) -> Champion:
    """The version, once it has answered its own input example as it would a request. It raises whatever MLflow does."""
    import mlflow.artifacts
    import mlflow.pyfunc

    folder = mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}")
    model = mlflow.pyfunc.load_model(folder)
    champion = Champion(version, model, signature_of(model.metadata), time.time())
    if (example := _example(model, Path(folder))) is not None:
        given = read(example, JSON, champion.signature)
        answer_of(champion.predict(given.data, given.params))
    return champion


def _example(model: PyFuncModel, folder: Path) -> bytes | None:
    """The body that MLflow keeps with a model that was saved with an input example."""
    info = model.metadata.saved_input_example_info or {}
    name = info.get("serving_input_path")
    return (folder / name).read_bytes() if name else None
