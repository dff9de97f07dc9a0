"""A fitted model, loaded and asked for scores. MLflow logs this file with each model, so it needs nothing else of ours.

The folder of a fitted model has `model.json`, which says of which framework it is, and the model in that framework's
own format. None of the formats runs code when it's loaded, as a pickle does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Scores = Callable[[pd.DataFrame], np.ndarray[Any, Any]]

# Matrix products of other numbers of rows may differ in the last bit: with rows in multiples of this, a row has
# the same score alone as among others (found: without, 53 of 300 rows of a logistic regression differed; 16 is enough).
BLOCK = 64


def load(folder: str) -> Scores:
    """A function from the feature columns to a score a row: the probability of true, or the number predicted."""
    told = json.loads((Path(folder) / "model.json").read_text())
    raw = {"sklearn": _sklearn, "xgboost": _xgboost, "keras": _keras, "mllib": _mllib}[told["framework"]](folder, told)
    columns = told["columns"]
    return lambda rows: _in_blocks(raw, rows[columns]) if len(rows) else _none(rows)


def _none(rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.empty(len(rows), dtype="float64")


def _in_blocks(raw: Scores, rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    import numpy as np
    import pandas as pd

    missing = -len(rows) % BLOCK
    padded = pd.concat([rows, rows.iloc[[-1] * missing]], ignore_index=True) if missing else rows
    return np.asarray(raw(padded), dtype="float64").reshape(len(padded))[: len(rows)]


def _of(fitted: Any, told: dict[str, Any]) -> Scores:
    """By scikit-learn's interface, which XGBoost has too."""
    return lambda rows: fitted.predict_proba(rows)[:, 1] if told["probability"] else fitted.predict(rows)


def _sklearn(folder: str, told: dict[str, Any]) -> Scores:
    import skops.io

    return _of(skops.io.load(f"{folder}/model.skops", trusted=told["trusted"]), told)


def _xgboost(folder: str, told: dict[str, Any]) -> Scores:
    import xgboost

    fitted = xgboost.XGBClassifier() if told["probability"] else xgboost.XGBRegressor()
    fitted.load_model(f"{folder}/model.json.ubj")
    return _of(fitted, told)


def _keras(folder: str, told: dict[str, Any]) -> Scores:
    # By itself Keras looks for TensorFlow.
    os.environ.setdefault("KERAS_BACKEND", told["backend"])
    import keras

    fitted = keras.models.load_model(f"{folder}/model.keras")
    return lambda rows: fitted.predict(rows.to_numpy("float32"), verbose=0, batch_size=BLOCK)[:, -1]


def _mllib(folder: str, told: dict[str, Any]) -> Scores:
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    if session is None:
        raise RuntimeError("A model of Spark MLlib needs a Spark session to score; this process has none.")
    fitted = PipelineModel.load(f"{folder}/mllib")

    def scores(rows: pd.DataFrame) -> Any:
        numbered = session.createDataFrame(rows.assign(__row=range(len(rows))))
        found = fitted.transform(numbered).orderBy("__row").select(score_of_mllib(told["probability"]))
        return found.toPandas()["score"]

    return scores


def score_of_mllib(probability: bool) -> Any:
    """The column of a transformed DataFrame that has the score."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    score = vector_to_array(F.col("probability"))[1] if probability else F.col("prediction")
    return score.alias("score")


def _as_pyfunc() -> Any:
    import pandas as pd
    from mlflow.pyfunc.model import PythonModel

    def predict(self: Any, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG001
        return self.scores(model_input)

    # MLflow looks at the hint as the class is made: it warns of none, and would make a schema of any other.
    predict.__annotations__ = {"model_input": pd.DataFrame}
    scores = predict

    class Scorer(PythonModel):
        """What MLflow loads and serves: the columns of the signature in, a score a row out."""

        def load_context(self, context: Any) -> None:
            self.scores = load(context.artifacts["fitted"])

        predict = scores

    return Scorer()


# MLflow runs a copy of this file to load a model; whoever imports it from the package wants its functions alone.
if not __name__.startswith("lakehouse_assets."):
    import mlflow

    mlflow.models.set_model(_as_pyfunc())
