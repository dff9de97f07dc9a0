"""A model's function on a stored table without Spark: how its parts divide, and what it learns of shuffled labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lakehouse_assets.engine import Training
from lakehouse_assets.engine.models.examples import Examples, held_out
from lakehouse_assets.engine.spec.models.model import Model


def parted(model: Model, rows: pd.DataFrame, key: list[str]) -> tuple[Examples, Examples]:
    """The examples to learn from and those held out, by the model's own split."""
    rows = rows.sort_values(key, ignore_index=True)
    texts = [name for name in model.inputs if isinstance(rows[name].iloc[0], str)]
    x = rows[[*model.inputs]].astype({name: float for name in model.inputs if name not in texts})
    found = Examples(x, rows[model.label].astype(float), rows)
    return found.part(held_out(found, model.split, key))


def of_shuffled_labels(model: Model, parts: tuple[Examples, Examples], **params: Any) -> np.ndarray[Any, Any]:
    """The scores of the held-out rows by a model that learnt from labels in any order."""
    learnt, judged = parts
    shuffled = learnt.y.sample(frac=1, random_state=1).reset_index(drop=True)
    return scored(model, Training(learnt.x, shuffled, params={**model.params, **params}), judged.x)


def scored(model: Model, training: Training, x: pd.DataFrame) -> np.ndarray[Any, Any]:
    fitted = model(training)
    return np.asarray(fitted.predict_proba(x)[:, 1] if model.is_classifier else fitted.predict(x))


def counted(params: Mapping[str, str]) -> tuple[int, int, int]:
    """How many rows a run of MLflow learnt from, held out, and left out as they have no label."""
    return int(params["learnt_from"]), int(params["held_out"]), int(params["without_label"])
