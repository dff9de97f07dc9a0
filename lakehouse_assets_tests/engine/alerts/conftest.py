"""A webhook that remembers what it was sent, and a table of flights whose alert goes there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse_assets.engine.alerts import deliver
from lakehouse_assets_tests.engine.alerts.flights import Flights, table
from lakehouse_assets_tests.servers.web import Answer, Site, serving


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The channel `ops`; one that was down is tried again at once."""
    monkeypatch.setattr(deliver, "PAUSE_SECONDS", 0.0)
    with serving() as site:
        site.pages["/hook"] = Answer(b"ok")
        monkeypatch.setenv("LAKEHOUSE_NOTIFY_OPS", f"{site.url}/hook")
        yield site


@pytest.fixture
def flights(tmp_path: Path) -> Flights:
    return Flights(str(tmp_path / "lake"), table())
