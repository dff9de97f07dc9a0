"""Azure Storage for the tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import fsspec
import pytest

from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.azurite import Azurite, running

_numbers = count(1)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with running(tmp_path_factory.mktemp("azurite")) as it:
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
    yield azurite.container(f"lake{next(_numbers)}")
    fsspec.get_filesystem_class("abfs").clear_instance_cache()
