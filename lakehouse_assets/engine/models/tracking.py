"""Runs of MLflow: one for each training, ended whatever becomes of it, and those whose process was killed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.registry.quiet import quiet
from lakehouse_assets.engine.registry.store import ModelStore, answering, locked, open_store, this_host
from lakehouse_assets.engine.registry.versions import WAITING

if TYPE_CHECKING:
    from mlflow import MlflowClient

ASSET, HOST = "lakehouse.asset", "lakehouse.host"
_PARENT = "mlflow.parentRunId"
MOST_METRICS = 1_000  # that MLflow takes at once


def experiment(store: ModelStore, key: str) -> str:
    """The id of the experiment that has a model's runs."""
    client, name = open_store(store), store.name(key)
    with answering(store, f"Opening the experiment {name}"), locked(store, f"experiment-{name}"):
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        folder = store.artifacts and f"{store.artifacts}/{name}"
        return str(client.create_experiment(name, artifact_location=folder))


@dataclass(frozen=True)
class Run:
    """A run of MLflow that is under way: the store that has it, and its id there."""

    store: ModelStore
    id: str


@contextmanager
def run(store: ModelStore, key: str, tags: Mapping[str, str], parent: str = "") -> Iterator[Run]:
    """A new run, which is FINISHED at the end, or FAILED. While it lasts its process holds a lock."""
    client = open_store(store)
    every = {ASSET: key, HOST: this_host(), **tags, **({_PARENT: parent} if parent else {})}
    with answering(store, f"Starting a run for {key}"):
        made = client.create_run(experiment(store, key), tags=every).info.run_id
    with locked(store, f"run-{made}"):
        try:
            yield Run(store, made)
        except BaseException as error:
            _end(client, made, "FAILED", str(error))
            raise
        _end(client, made, "FINISHED")


def _end(client: MlflowClient, run_id: str, status: str, why: str = "") -> None:
    if why:
        client.set_tag(run_id, "lakehouse.error", why[:5000])
    client.set_terminated(run_id, status)


def sweep(store: ModelStore, key: str) -> list[str]:
    """Mark the runs as KILLED whose process on this machine is gone; their ids."""
    client, swept = open_store(store), list[str]()
    with answering(store, f"Looking for runs of {key} that were killed"):
        said = f"attributes.status = 'RUNNING' and tags.`{HOST}` = '{this_host()}'"
        found = client.search_runs([experiment(store, key)], said)
        for it in found:
            with locked(store, f"run-{it.info.run_id}", wait=False) as free:
                if free:
                    _end(client, it.info.run_id, "KILLED", "its process was killed")
                    swept.append(it.info.run_id)
    return swept


def note(mine: Run, metrics: Mapping[str, float], params: Mapping[str, Any] | None = None, step: int = 0) -> None:
    """Log parameters of a run, and what metrics came to at a step, by which MLflow draws their history."""
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    # MLflow takes letters, digits and these marks in the name of a metric.
    named = {re.sub(r"[^\w\-./ :]", "_", name): value for name, value in metrics.items()}
    client, told = open_store(mine.store), [Metric(name, value, now, step) for name, value in named.items()]
    with answering(mine.store, f"Logging how the run {mine.id} does"):
        client.log_batch(mine.id, params=[Param(name, str(value)) for name, value in (params or {}).items()])
        for first in range(0, len(told), MOST_METRICS):
            client.log_batch(mine.id, metrics=told[first : first + MOST_METRICS])


def keep(mine: Run, pictures: Mapping[str, bytes], documents: Mapping[str, Any]) -> None:
    """Put pictures and JSON documents beside a run, by name."""
    client = open_store(mine.store)
    with TemporaryDirectory() as folder, answering(mine.store, f"Keeping what belongs to the run {mine.id}"):
        for name, picture in pictures.items():
            (Path(folder) / f"{name}.png").write_bytes(picture)
        for name, document in documents.items():
            (Path(folder) / name).write_text(json.dumps(document, indent=1, sort_keys=True))
        client.log_artifacts(mine.id, folder, "report")


def metrics_of(store: ModelStore, run_id: str) -> dict[str, float]:
    """The metrics of a run."""
    client = open_store(store)
    with answering(store, f"Looking up the run {run_id}"):
        return dict(client.get_run(run_id).data.metrics)


def wait_for_more(store: ModelStore, key: str, read: str) -> None:
    """Note that there are too few rows in what was read, so that it isn't read again before it changes."""
    with answering(store, f"Noting that {key} waits for rows"):
        open_store(store).set_experiment_tag(experiment(store, key), WAITING, read)


def document(store: ModelStore, run_id: str, name: str) -> dict[str, Any]:
    """A JSON document that was put beside a run.

    Raises:
        RegistryUnavailable: there is none.
    """
    client = open_store(store)
    with answering(store, f"Reading {name} of the run {run_id}"), TemporaryDirectory() as folder, quiet():
        found: dict[str, Any] = json.loads(
            Path(client.download_artifacts(run_id, f"report/{name}", folder)).read_text()
        )
        return found
