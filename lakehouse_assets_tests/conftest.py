"""One warm engine for the suite, Azure Storage, and a small lakehouse of one's own for each test that wants one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import fsspec
import hypothesis as hypothesis  # before `defs()` hides from it, by gc.freeze, who holds trio's random numbers
import pytest

from lakehouse_assets.engine.alerts import deliver
from lakehouse_assets.engine.plan.small_runs import interpreted
from lakehouse_assets.engine.registry.store import ModelStore, open_store
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import PROJECT, read_settings
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.azurite import Azurite, running
from lakehouse_assets_tests.servers.databricks import Databricks, build_wheel
from lakehouse_assets_tests.servers.databricks import running as in_workspace
from lakehouse_assets_tests.servers.postgres import Postgres
from lakehouse_assets_tests.servers.postgres import running as database_server
from lakehouse_assets_tests.servers.web import Answer, Site, serving

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"

# Files of tests that take minutes. They begin first, as each is one process' work: the last would keep all waiting.
SLOW = ("test_airlines.py", "test_snapshots.py", "test_on_databricks.py", "test_netflix.py", "test_unavailable.py",
        "test_live_dagster.py", "test_examples.py", "test_changes.py", "test_azure.py", "test_refresh.py",
        "test_by_hand.py", "test_classic.py", "test_spark_server.py", "test_class_archive.py",
        "test_serverless.py")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: SLOW.index(item.path.name) if item.path.name in SLOW else len(SLOW))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """By `--dist loadfile` a file's tests are one process' work.

    So are those of a domain's tables and of its models, for which it's built once.
    """
    from xdist.scheduler import LoadFileScheduling

    class ByDomain(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return file.replace("_models.py", ".py") if "/domains/" in file else file

    return ByDomain(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def engine() -> SparkResource:
    return SparkResource.from_settings(read_settings())


@pytest.fixture
def spark(engine: SparkResource) -> SparkSession:
    return engine.session()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = PROJECT.parent / "shared" / "data"
    if not folder.is_dir():
        message = f"the real data files are not at {folder}"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return folder


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance of the test's own."""
    with dg.DagsterInstance.ephemeral(str(tmp_path)) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path, engine: SparkResource, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An empty lakehouse with a domain `shop`: write its files, land data, run its tables."""
    with new_project(tmp_path, engine, monkeypatch) as made:
        yield made


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of an MLflow that has nothing yet; making one takes seconds, a copy none."""
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder}/mlflow.db"
    open_store(ModelStore(uri, uri, str(folder)))
    return folder / "mlflow.db"


@pytest.fixture
def learning(project: Project, empty_mlflow: Path) -> Project:
    """A lakehouse of one's own with an MLflow of its own."""
    (project.root / "mlflow").mkdir(mode=0o700)
    shutil.copy(empty_mlflow, project.root / "mlflow" / "mlflow.db")
    return project


@contextmanager
def new_project(
    tmp_path: Path, engine: SparkResource, monkeypatch: pytest.MonkeyPatch, store: str = ""
) -> Iterator[Project]:
    """An empty lakehouse whose tables and files are in the folder, or at the URL of a container."""
    package = f"domains_{os.getpid()}_{tmp_path.name}".replace("-", "_")
    monkeypatch.syspath_prepend(str(tmp_path))
    # A test declares a table anew within one clock tick; a compiled file would hide that.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    # All of a test's queries, as they read little: 17.6 s compiled, 10.5 s so for a file, a merge and a history.
    with interpreted(engine.session(), 0):
        yield Project(tmp_path, package, engine, store=store)
    for name in [n for n in sys.modules if n.split(".")[0] == package]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def workspace(engine: SparkResource, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databricks]:
    """A Databricks workspace whose jobs compute on the suite's engine, with this checkout's wheel in its volume."""
    spark = spark_server.attach(engine.server_settings).url.replace("127.0.0.1", "localhost")
    with in_workspace(tmp_path_factory.mktemp("workspace"), spark) as made:
        shutil.copy(build_wheel(tmp_path_factory.mktemp("wheel")), made.volume)
        yield made


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A webhook, which is the channel `ops`; when it was down, it's tried again at once."""
    monkeypatch.setattr(deliver, "PAUSE_SECONDS", 0.0)
    with serving() as site:
        site.pages["/s3cret"] = Answer(b"ok")
        monkeypatch.setenv("LAKEHOUSE_NOTIFY_OPS", f"{site.url}/s3cret")
        yield site


_containers = count(1)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with running(tmp_path_factory.mktemp("azurite")) as it:
        yield it


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with database_server() as it:
        yield it


@pytest.fixture(scope="session")
def azure_engine(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkResource]:
    """An engine with the JARs for Azure Storage, which the suite's own hasn't.

    It's for this Azurite alone: Hadoop keeps the address of an account that it has once reached.
    """
    cache, stores = tmp_path_factory.mktemp("engine"), [azurite.url("any")]
    (cache / "jars").symlink_to(read_settings().cache / "jars")
    engine = SparkResource(memory="1g", cores=2, idle_minutes=5, cache=str(cache), stores=stores)
    yield engine
    spark_server.release(engine.server_settings)
    spark_server.stop(engine.server_settings)


@pytest.fixture
def container(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty container, with the way to its account in the environment."""
    for name, value in azurite.environment.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("abfs").clear_instance_cache()
    yield azurite.container(f"lake{next(_containers)}")
    fsspec.get_filesystem_class("abfs").clear_instance_cache()
