"""Models that no library has: they say what they were given, answer in other forms, or fail.

MLflow takes the types of `predict` for a signature, so it has none.
"""

from __future__ import annotations

import json
import threading

import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel


class Echo(PythonModel):
    """Says of each row which values it was given, and of the frame which types."""

    def predict(self, model_input):
        types = json.dumps([str(kind) for kind in model_input.dtypes])
        rows = [json.dumps(row, default=str) for row in model_input.astype(object).to_dict(orient="records")]
        return pd.DataFrame({"row": [row.replace("NaN", '"nan"') for row in rows], "types": types})


class Labels(PythonModel):
    """A text for each row."""

    def predict(self, model_input):
        return np.array(["long" if km > 3 else "short" for km in model_input["km"]], dtype=object)


class Pairs(PythonModel):
    """Two numbers for each row; of 13, none that is a number."""

    def predict(self, model_input):
        made = model_input[["km", "minutes"]].to_numpy()
        return np.where(made == 13, np.nan, made)


class Named(PythonModel):
    """A frame with names of its own."""

    def predict(self, model_input):
        return pd.DataFrame({"label": "far", "score": model_input["km"] / 2, "at": pd.Timestamp("2024-01-01")})


class Scaled(PythonModel):
    """Takes a parameter."""

    def predict(self, model_input, params=None):
        return model_input["km"] * params["factor"]


class Sums(PythonModel):
    """Sums what each row of an array has."""

    def predict(self, model_input):
        return np.asarray(model_input).reshape(len(model_input), -1).sum(axis=1)


class Failing(PythonModel):
    """Fails for some numbers, each in a way of its own."""

    def predict(self, model_input):
        match model_input["km"].iloc[0]:
            case 1.0:
                raise RuntimeError("the disk\nis gone")
            case 2.0:
                raise ValueError("unknown category 'two'")
            case 3.0:
                raise SystemExit(3)
            case 4.0:
                return object()
        return model_input["km"].to_numpy()


class Slow(PythonModel):
    """Takes a second, as the request says."""

    def predict(self, model_input):
        threading.Event().wait(model_input["km"].iloc[0])
        return model_input["km"].to_numpy()


class Alone(PythonModel):
    """Takes two to be in it at once for a failure."""

    def predict(self, model_input):
        if not _ALONE.acquire(blocking=False):
            raise RuntimeError("two at once")
        try:
            threading.Event().wait(0.002)
            return model_input["km"].to_numpy()
        finally:
            _ALONE.release()


_ALONE = threading.Lock()
