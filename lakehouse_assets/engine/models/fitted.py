"""A fitted model put into a folder, in its framework's own format, so that `scorer.load` finds it there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lakehouse_assets.engine.errors import TrainingFailed
from lakehouse_assets.engine.spec.models.model import Model

# Packages whose types a scikit-learn pipeline may hold beside scikit-learn's own, as far as skops asks.
_TRUSTED = ("sklearn.", "xgboost.", "numpy.", "scipy.")
_PACKAGES = {
    "sklearn": ("scikit-learn", "skops", "pandas"),
    "xgboost": ("xgboost-cpu", "scikit-learn", "pandas"),
    "keras": ("keras", "jax", "pandas"),
    "mllib": ("pyspark", "pandas"),
}


def framework_of(fitted: Any, model: Model) -> str:
    """
    Raises:
        TrainingFailed: it's nothing that we can keep.
    """
    for parent in type(fitted).__mro__:
        package = parent.__module__.split(".")[0]
        if parent.__module__.startswith("pyspark.ml"):
            return "mllib"
        if package in ("sklearn", "xgboost", "keras"):
            return package
    raise TrainingFailed(
        f"Training {model.key}: its function returned {type(fitted).__module__}.{type(fitted).__name__}; return a "
        "fitted model of scikit-learn, XGBoost or Keras, or a PipelineModel of Spark MLlib"
    )


def save(fitted: Any, model: Model, folder: Path, texts: Sequence[str], scratch: str) -> str:
    """Write a fitted model into a folder; which framework it's of. Of its columns `texts` are texts and all others are
    numbers, and `scratch` is a folder that Spark can write to.

    Raises:
        TrainingFailed: it's nothing that we can keep.
    """
    framework = framework_of(fitted, model)
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {"framework": framework, "probability": model.is_classifier}
    told |= {"columns": [*model.inputs], "texts": [*texts]}
    if framework == "sklearn":
        told["trusted"] = _save_sklearn(fitted, model, folder)
    elif framework == "xgboost":
        fitted.save_model(folder / "model.json.ubj")
    elif framework == "keras":
        import keras

        told["backend"] = keras.config.backend()
        fitted.save(folder / "model.keras")
    else:
        _save_mllib(fitted, folder / "mllib", scratch)
    (folder / "model.json").write_text(json.dumps(told))
    return framework


def _save_sklearn(fitted: Any, model: Model, folder: Path) -> list[str]:
    import skops.io

    file = folder / "model.skops"
    skops.io.dump(fitted, file)
    held: list[str] = skops.io.get_untrusted_types(file=file)
    strange = [name for name in held if not name.startswith(_TRUSTED)]
    if strange:
        raise TrainingFailed(
            f"Training {model.key}: its pipeline holds {', '.join(strange)}, which would have to run when the model is "
            "loaded; make such features in the table, or use transformers of scikit-learn"
        )
    return held


def _save_mllib(fitted: Any, folder: Path, scratch: str) -> None:
    from lakehouse_assets.engine.lake.stores import opened, remove

    fitted.write().overwrite().save(scratch)  # by Spark, so to where Spark can write
    store, path = opened(scratch)
    store.get(path, str(folder), recursive=True)
    remove(scratch)


def requirements(framework: str) -> list[str]:
    """What a model needs to be loaded, at the versions that it was made with."""
    return [f"mlflow=={version('mlflow')}", *(f"{name}=={version(name)}" for name in _PACKAGES[framework])]
