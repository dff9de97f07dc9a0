"""Servers that files are downloaded from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakehouse_assets_tests.servers.web import Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as it:
        yield it


@pytest.fixture
def other() -> Iterator[Site]:
    with serving() as it:
        yield it
