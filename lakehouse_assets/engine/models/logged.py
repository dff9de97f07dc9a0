"""A fitted model logged to a run, as MLflow serves it: with its signature, an example, and what it needs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse_assets.engine.models.fitted import requirements
from lakehouse_assets.engine.models.tracking import Run
from lakehouse_assets.engine.registry.quiet import quiet
from lakehouse_assets.engine.registry.store import answering, use
from lakehouse_assets.engine.scoring import scorer

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import ModelSignature

EXAMPLE_ROWS = 5


def log_model(mine: Run, folder: Path, framework: str, x: pd.DataFrame, required: Collection[str] = ()) -> str:
    """Log a fitted model's folder to a run; where the registry finds it. Of its columns `required` have no nulls."""
    store = mine.store
    with quiet(), answering(store, f"Logging the model of the run {mine.id}"):
        import mlflow

        use(store)
        with mlflow.start_run(run_id=mine.id, log_system_metrics=False):
            logged = mlflow.pyfunc.log_model(
                name="model", python_model=scorer.__file__, artifacts={"fitted": str(folder)},
                signature=signature(x, required), input_example=_example(x),
                pip_requirements=requirements(framework),
            )  # fmt: skip
        # Leaving the block ended the run, which goes on until the version is registered.
        mlflow.MlflowClient(store.tracking).update_run(mine.id, status="RUNNING")
    return str(logged.model_uri)


def signature(x: pd.DataFrame, required: Collection[str]) -> ModelSignature:
    """Doubles and strings, of which some may be null; and a double a row."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    kinds = {name: "string" if x[name].dtype == object else "double" for name in x.columns}
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(kind, name, required=name in required) for name, kind in kinds.items()
    ]
    return ModelSignature(inputs=Schema(columns), outputs=Schema([TensorSpec(np.dtype("float64"), (-1,))]))


def _example(x: pd.DataFrame) -> pd.DataFrame:
    whole = x.dropna()
    return (whole if len(whole) else x).head(EXAMPLE_ROWS)
