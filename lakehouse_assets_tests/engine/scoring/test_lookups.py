"""A model that looks features up gives one score for one row: in a table, by MLflow, and by the key of a request."""

from __future__ import annotations

import mlflow
import pandas as pd
import pytest

from lakehouse_assets.engine.errors import FeatureError
from lakehouse_assets.engine.scoring.online import by_key
from lakehouse_assets_tests.engine.models.visits import built
from lakehouse_assets_tests.project import Project

CHANNELS = """channel,counted_at,budget
mail,2026-01-01 00:00:00,100
mail,2026-05-01 00:00:00,140
mail,2026-07-01 00:00:00,9000
ad,2026-02-01 00:00:00,30
"""
# Budgets by channel as of June; of the web nothing is known.
IN_JUNE = {"mail": 140.0, "ad": 30.0}


@pytest.fixture
def shop(learning: Project) -> Project:
    """A model of visits in June, which learns from the budget of the channel at that time."""
    built(learning)
    learning.online = f"sqlite:///{learning.root}/online.db"
    learning.bronze("channels")
    learning.table(
        "features.channels",
        """
        channels = sql_features(
            on="channel", event_time="counted_at", online=True, raw="bronze.channels",
            columns=[Column("channel", "string"), Column("counted_at", "timestamp"), Column("budget", "int")],
            sql="SELECT channel, cast(counted_at AS timestamp) counted_at, cast(budget AS int) budget FROM raw",
        )
        """,
    )
    learning.table(
        "silver.timed",
        """
        timed = sql_table(
            v="silver.visits",
            columns=[Column("visit", "bigint", key=True), Column("pages", "int", nullable=False),
                     Column("channel", "string"), Column("seen_at", "timestamp"), Column("bought", "boolean")],
            sql="SELECT visit, pages, channel, timestamp'2026-06-01 12:00:00' AS seen_at, bought FROM v",
        )
        """,
    )
    learning.model(
        "purchase",
        """
        @model(rows="silver.timed", label="bought", at="seen_at", split=AtRandom(0.25), gate=Gate("roc_auc", 0.5),
               features=["pages", FeatureLookup("features.channels", {"budget": "spent"})])
        def purchase(training: Training) -> object:
            from xgboost import XGBClassifier
            return XGBClassifier(n_estimators=20, n_jobs=1).fit(training.x, training.y)
        """,
    )
    scores = 'likely = score(model="models.purchase", rows="silver.timed", keep=[Column("visit", "bigint", key=True)])'
    learning.table("gold.likely", scores)
    learning.land("channels/1.csv", CHANNELS)
    for name in ("bronze.channels", "features.channels", "silver.timed"):
        learning.materialize(name)
    learning.train("purchase")
    learning.run("gold.likely")
    return learning


def champion(shop: Project) -> mlflow.pyfunc.PyFuncModel:
    mlflow.set_tracking_uri(shop.lake.registry.tracking)
    return mlflow.pyfunc.load_model("models:/shop.models.purchase@champion")


def test_the_table_has_the_scores_of_the_features_known_at_the_time(shop: Project) -> None:
    visits = shop.log("silver.timed").table.to_pandas().sort_values("visit", ignore_index=True)
    scores = shop.log("gold.likely").table.to_pandas().sort_values("visit", ignore_index=True)
    known = pd.DataFrame({"pages": visits["pages"].astype("float64"), "spent": visits["channel"].map(IN_JUNE)})
    assert scores["score"].tolist() == champion(shop).predict(known).tolist()


def test_a_request_with_keys_has_the_latest_features_of_the_online_store(shop: Project) -> None:
    lakehouse = shop.lakehouse
    fill = by_key(lakehouse.models["shop.models.purchase"], lakehouse, shop.online)
    asked = pd.DataFrame({"pages": [3.0, 3.0, 3.0], "channel": ["mail", "ad", "web"]})
    filled = fill(asked)
    assert filled.columns.tolist() == ["pages", "spent"]
    assert filled["spent"].tolist()[:2] == [9000.0, 30.0]
    assert pd.isna(filled["spent"][2])
    assert champion(shop).predict(filled).shape == (3,)
    sent = fill(asked.assign(spent=[1.0, 2.0, 3.0]))
    assert sent["spent"].tolist() == [1.0, 2.0, 3.0]


def test_a_request_without_a_key_is_told_which(shop: Project) -> None:
    lakehouse = shop.lakehouse
    fill = by_key(lakehouse.models["shop.models.purchase"], lakehouse, shop.online)
    with pytest.raises(FeatureError, match=r"no column 'channel', by which features of shop.features.channels"):
        fill(pd.DataFrame({"pages": [3.0]}))
