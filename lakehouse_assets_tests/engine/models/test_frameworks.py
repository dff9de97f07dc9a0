"""Models of each framework by one interface: trained, kept, scored in a table as by themselves."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec

import pytest

from lakehouse_assets.engine.registry.versions import champion
from lakehouse_assets.engine.scoring.copies import scores_of
from lakehouse_assets_tests.engine.models.visits import built
from lakehouse_assets_tests.project import Project

DECLARED = """
@model(rows="silver.visits", label="bought", features=["pages", "minutes"], split=AtRandom(0.25),
       gate=Gate("roc_auc", 0.6))
def purchase(training: Training) -> object:
"""
FUNCTIONS = {
    "xgboost": """
    from xgboost import XGBClassifier
    return XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1).fit(training.x, training.y)
""",
    "keras": """
    import os
    os.environ["KERAS_BACKEND"] = "jax"
    import keras
    keras.utils.set_random_seed(training.seed)
    scaled = keras.layers.Normalization()
    scaled.adapt(training.x.to_numpy("float32"))
    net = keras.Sequential([scaled, keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "sigmoid")])
    net.compile("adam", "binary_crossentropy")
    net.fit(training.x.to_numpy("float32"), training.y.to_numpy(), epochs=20, verbose=0)
    return net
""",
    "mllib": """
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import VectorAssembler
    gathered = VectorAssembler(inputCols=["pages", "minutes"], outputCol="features")
    return Pipeline(stages=[gathered, LogisticRegression(labelCol="label")]).fit(training.spark_rows())
""",
}


@pytest.fixture
def keras_leaves_the_console() -> None:
    """Keep absl, which comes with Keras, from closing what pytest captures when another test sets up its logging."""
    if find_spec("absl"):
        logging = importlib.import_module("absl.logging")
        logging.get_absl_handler().python_handler.stream = sys.__stderr__


@pytest.mark.usefixtures("keras_leaves_the_console")
@pytest.mark.parametrize("framework", FUNCTIONS)
def test_a_model_of_any_framework_scores_a_table_as_it_does_by_itself(
    learning: Project, framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if framework == "keras" and not find_spec("keras") and os.environ.get("CI") != "true":
        pytest.skip("Keras isn't installed; it's in the extra `deep`")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    built(learning)
    learning.model("purchase", DECLARED + FUNCTIONS[framework])
    told = learning.train("purchase")
    learning.run("gold.likely")

    version = champion(learning.lake.registry, "shop.models.purchase")
    assert version is not None
    rows = learning.log("silver.visits").table.to_pandas().sort_values("visit", ignore_index=True)
    scores = learning.log("gold.likely").table.to_pandas().sort_values("visit", ignore_index=True)
    alone = scores_of(learning.lake.registry, version)(rows[["pages", "minutes"]].astype("float64"))
    assert told.alias == "champion"
    assert scores["score"].tolist() == pytest.approx(list(alone), rel=1e-6)
