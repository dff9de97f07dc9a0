"""Azure Storage for the tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import fsspec
import pytest

from lakehouse_assets_tests.azurite import Azurite, running

_numbers = count(1)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with running(tmp_path_factory.mktemp("azurite")) as it:
        yield it


@pytest.fixture
def container(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty container, with the way to its account in the environment."""
    for name, value in azurite.environment.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("abfs").clear_instance_cache()
    yield azurite.container(f"lake{next(_numbers)}")
    fsspec.get_filesystem_class("abfs").clear_instance_cache()
