"""A table of flights whose alert goes to a webhook."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_assets_tests.engine.alerts.flights import Flights, table


@pytest.fixture
def flights(tmp_path: Path) -> Flights:
    return Flights(str(tmp_path / "lake"), table())
