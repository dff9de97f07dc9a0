"""Ways of a refresh that the engine wouldn't take on so few rows."""

from __future__ import annotations

import pytest

from lakehouse_assets.engine.modes.refresh import costs


@pytest.fixture
def merging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups that only Spark finds are merged by it, as if that cost nothing."""
    monkeypatch.setattr(costs, "MERGED", costs.Cost(run=0, inputs=0, own=0))
