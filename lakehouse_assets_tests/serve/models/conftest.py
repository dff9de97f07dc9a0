"""A registry for each module, copied from one that was made once."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

with warnings.catch_warnings():  # of its own types
    warnings.simplefilter("ignore")
    import mlflow.pyfunc  # noqa: F401

from lakehouse_assets_tests.serve.models.shelf import Shelf, empty_store, fares


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """MLflow warns of itself, of SQLAlchemy and of what it reads; what we do wrong still fails a test."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for module in ("mlflow", "sqlalchemy", "sklearn", "skops", "fastapi", "pydantic", "alembic", "joblib"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::Warning:{module}.*"))


@pytest.fixture(scope="module")
def shelf(empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """A registry without models."""
    return empty_store(tmp_path_factory.mktemp("shelf"), empty_mlflow)


@pytest.fixture(scope="module")
def fare_shelf(shelf: Shelf) -> Shelf:
    """A registry whose champion predicts fares."""
    shelf.crown(shelf.register(fares(2.0)))
    return shelf
