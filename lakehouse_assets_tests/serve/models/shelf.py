"""A registry of MLflow's on SQLite with real models in it, and servers of them: ours, and MLflow's own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, Schema
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.loopback import free_port
from lakehouse_assets.serve.models.registry import Champion, champion_of, load, opened
from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.servers.waiting import wait_until

NAME = "shop.models.fare"
START_SECONDS = 90
JSON = "application/json"
TRIPS = pd.DataFrame(
    {
        "km": [1.0, 2.5, 8.0, 3.25, 12.0, 5.5],
        "minutes": [4.0, 9.0, 22.0, 12.5, 31.0, 15.0],
        "zone": ["inner", "inner", "outer", "ring", "outer", "ring"],
    }
)


def fares(factor: float) -> Pipeline:
    """A regression whose predictions tell which factor it was trained with."""
    zones = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["zone"]), remainder="passthrough")
    return make_pipeline(zones, LinearRegression()).fit(TRIPS, TRIPS["km"] * factor + TRIPS["minutes"])


@dataclass(frozen=True)
class Shelf:
    """A store in a folder, which is this process's while the test runs."""

    folder: Path

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def client(self) -> mlflow.MlflowClient:
        return opened(ModelStore(self.uri, self.uri, str(self.folder)))

    def register(self, model: Any, name: str = NAME, **saved: Any) -> str:
        """Save a model and register it; the number of its version."""
        client = self.client
        experiment = client.get_experiment_by_name("tests")
        made = experiment.experiment_id if experiment else client.create_experiment("tests", f"{self.folder}/artifacts")
        if isinstance(model, Pipeline):
            saved = {"signature": infer_signature(TRIPS, model.predict(TRIPS)), "input_example": TRIPS.head(2)} | saved
            log, what = mlflow.sklearn.log_model, {"sk_model": model, "pip_requirements": ["scikit-learn"]}
        else:
            log, what = mlflow.pyfunc.log_model, {"python_model": model, "pip_requirements": ["mlflow"]}
        with mlflow.start_run(experiment_id=made):
            info = log(name="model", registered_model_name=name, **what, **saved)
        return str(info.registered_model_version)

    def crown(self, version: str, name: str = NAME) -> None:
        self.client.set_registered_model_alias(name, "champion", version)

    def champion(self, name: str = NAME) -> Champion:
        found = champion_of(self.client, name)
        assert found
        return load(found)

    def serve(self, model: Any, name: str, **saved: Any) -> Champion:
        """A model registered, crowned and loaded."""
        self.crown(self.register(model, name, **saved), name)
        return self.champion(name)

    def artifacts(self, version: str, name: str = NAME) -> Path:
        """The folder of a version's files."""
        return Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}"))


def columns(**types: str) -> ModelSignature:
    """A signature of named columns; a type with `?` isn't required."""
    named = [ColSpec(kind.rstrip("?"), name, not kind.endswith("?")) for name, kind in types.items()]
    return ModelSignature(Schema(named))


def empty_store(folder: Path, template: Path) -> Shelf:
    """A store of one's own: the first that's opened takes seconds to migrate, so that one is copied."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, folder / "mlflow.db")
    return Shelf(folder)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def told(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.told["message"])


@dataclass(frozen=True)
class Server:
    """A server in a process of its own, and what it said."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def ask(self, body: bytes | str = b"", path: str = "/invocations", method: str = "POST", **headers: str) -> Answer:
        sent = {"Content-Type": JSON} | {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as asked:
            asked.request(method, path, body or None, sent)
            answer = asked.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.headers))

    def get(self, path: str) -> Answer:
        return self.ask(path=path, method="GET")

    def is_up(self) -> bool:
        try:
            return self.process.poll() is not None or self.get("/ping").status == 200
        except OSError:
            return False


def command(*arguments: str) -> list[str]:
    """`lakehouse serve` with these arguments."""
    return [sys.executable, "-c", "from lakehouse_assets.cli import main; main()", "serve", *arguments]


def environment(shelf: Shelf) -> dict[str, str]:
    """The variables of a process that finds the store."""
    # MLflow starts `uvicorn` by its name.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    uris = {"LAKEHOUSE_MLFLOW": shelf.uri, "MLFLOW_TRACKING_URI": shelf.uri}
    return {**os.environ, **uris, "PATH": path, "PYTHONPATH": str(PROJECT)}


@contextmanager
def ours(shelf: Shelf, *options: str, name: str = NAME) -> Iterator[Server]:
    """`lakehouse serve`, until the end of the block."""
    with _running(shelf, command(name, "--poll", "0.1", *options)) as server:
        yield server


@contextmanager
def mlflows(shelf: Shelf, name: str = NAME) -> Iterator[Server]:
    """`mlflow models serve`, until the end of the block."""
    program = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{name}@champion"]
    with _running(shelf, [*program, "--env-manager", "local", "--host", "127.0.0.1"]) as server:
        yield server


@contextmanager
def _running(shelf: Shelf, command: list[str]) -> Iterator[Server]:
    port, log = free_port(), shelf.folder / f"{len(list(shelf.folder.glob('*.log')))}.log"
    env = environment(shelf)
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*command, "--port", str(port)], stdout=out, stderr=out, env=env, cwd=shelf.folder, start_new_session=True
        ) as process,
    ):
        server = Server(port, process, log)
        try:
            wait_until(server.is_up, START_SECONDS, log)
            assert process.poll() is None, log.read_text()
            yield server
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and those that it started: `mlflow models serve` has a shell and a server below it."""
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        return
    process.wait(timeout=30)
