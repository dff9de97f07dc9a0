"""What a model said, as the JSON that MLflow's server would answer with."""

from __future__ import annotations

import json
import math
from typing import Any


def answer_of(predictions: Any) -> tuple[Any, bytes]:
    """The predictions as plain values, and the body of the answer.

    A number that is none (NaN, an infinity) is null: MLflow writes it as a word that isn't JSON.
    """
    from mlflow.utils.proto_json_utils import NumpyEncoder

    plain = _plain(predictions)
    try:
        text = json.dumps({"predictions": plain}, cls=NumpyEncoder, allow_nan=False)
    except ValueError:
        plain = _finite(json.loads(json.dumps(plain, cls=NumpyEncoder)))
        text = json.dumps({"predictions": plain})
    return plain, text.encode()


def _plain(predictions: Any) -> Any:
    """As `mlflow models serve` does: a frame by its rows, a series as a frame of one column, an array as lists."""
    import numpy as np
    import pandas as pd

    if isinstance(predictions, pd.Series):
        predictions = pd.DataFrame(predictions)
    if isinstance(predictions, pd.DataFrame):
        return predictions.to_dict(orient="records")
    return predictions.tolist() if isinstance(predictions, np.ndarray) else predictions


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case list():
            return [_finite(item) for item in value]
        case dict():
            return {name: _finite(item) for name, item in value.items()}
        case _:
            return value
