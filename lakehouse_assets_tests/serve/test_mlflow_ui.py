"""MLflow's UI beside Dagster's: the models of the lakehouse for who started it, and for nobody else."""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from typer.testing import CliRunner

from lakehouse_assets.cli import app
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets_tests.other_user import by_other_user, require_other_user
from lakehouse_assets_tests.serve.test_dev_server import START_SECONDS, STOP_SECONDS, Server, family, parents, started
from lakehouse_assets_tests.servers.browser import chromium, console_errors, wait_for_text
from lakehouse_assets_tests.servers.waiting import wait_until

ASKING = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=30).status)
except urllib.error.HTTPError as refused:
    print(refused.code, refused.read().decode())
"""


@dataclass(frozen=True)
class Served:
    """A store with one registered model, and where its UI is."""

    url: str
    folder: Path
    client: mlflow.MlflowClient


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path) -> Iterator[Served]:
    """MLflow's UI beside Dagster's; in the end both are stopped, and leave nothing."""
    root = tmp_path_factory.mktemp("with_mlflow")
    (root / "home" / "mlflow").mkdir(parents=True, mode=0o700)
    shutil.copy(empty_mlflow, root / "home" / "mlflow")
    store = f"sqlite:///{root}/home/mlflow/mlflow.db"
    client = mlflow.MlflowClient(store, store)  # else its registry is the one that another test has named
    client.create_registered_model("shop.models.purchase", description="The chance that a visitor buys.")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LAKEHOUSE_MLFLOW", "LAKEHOUSE_MLFLOW_REGISTRY"):
            patch.delenv(name, raising=False)
        patch.setenv("LAKEHOUSE_HOME", str(root / "home"))
        with started(root / "served", options=["--mlflow", "0"]) as server:
            yield Served(mlflow_url(server), root / "home" / "mlflow", client)
            members = family(server.supervisor.pid)
            server.supervisor.terminate()
            assert server.supervisor.wait(STOP_SECONDS) == 0
            wait_until(lambda: not members & set(parents()), STOP_SECONDS, server.log)


def mlflow_url(server: Server) -> str:
    told = re.compile(r"MLflow's UI is at (http://\S+)")
    wait_until(lambda: bool(told.search(server.log.read_text())), START_SECONDS, server.log)
    found = told.search(server.log.read_text())
    assert found
    return found[1]


def answered(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_a_browser_shows_the_models_of_the_lakehouse(served: Served) -> None:
    with chromium() as browser:
        browser.get(f"{served.url}/#/models/shop.models.purchase")
        wait_for_text(browser, "The chance that a visitor buys.")
        # MLflow asks for a user, whom it has only with a sign-in of its own; nothing is refused by us.
        assert [error for error in console_errors(browser) if "404" not in error and served.url in error] == []


def test_a_client_keeps_its_files_in_the_folder_of_the_lakehouse(served: Served) -> None:
    remote = mlflow.MlflowClient(served.url)
    run = remote.create_run(remote.create_experiment("by hand"))
    assert served.client.get_run(run.info.run_id).info.artifact_uri.startswith(f"{served.folder}/artifacts/")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 400),
    ],
)
def test_pages_of_other_sites_are_refused(served: Served, headers: dict[str, str], code: int) -> None:
    assert answered(f"{served.url}/health", **headers) == code


def test_programs_of_other_users_are_refused(served: Served) -> None:
    require_other_user()
    assert by_other_user(ASKING, f"{served.url}/health").startswith("403 ")


@pytest.mark.parametrize(
    ("tracking", "folder"),
    [
        ("sqlite:////lake/mlflow.db", "/here/artifacts"),
        ("postgresql+psycopg2://team@db/mlflow", "/here/artifacts"),  # MLflow itself would take the current folder
        ("https://mlflow.example", None),
        ("databricks", None),
    ],
)
def test_files_are_kept_here_where_no_server_keeps_them(tracking: str, folder: str | None) -> None:
    assert ModelStore(tracking, tracking, "/here").artifacts == folder


@pytest.mark.parametrize("tracking", ["http://mlflow.example:5000", "databricks"])
def test_an_mlflow_that_is_elsewhere_is_not_served_again(tracking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_MLFLOW", tracking)
    done = CliRunner().invoke(app, ["dev", "--mlflow", "0"])
    assert (done.exit_code, str(done.exception)) == (
        1,
        f"Serving MLflow's UI: MLflow is at {tracking}; leave --mlflow out",
    )
