"""The chance that a flight leaves more than 15 minutes late, from what is known two hours before.

It learns from January to October and is judged on November and December. Weather and delays are those that had been
published by the time of the prediction, and not what was observed later.
"""

from datetime import date, timedelta
from typing import Any

from lakehouse_assets.engine import ByTime, FeatureLookup, Gate, Training, model

TEXTS = ["carrier", "origin"]


@model(
    rows="gold.departures_ahead",
    label="late",
    at="predicted_at",
    features=[
        # Neither the month, of which the last two are never learnt from, nor the destination made it better.
        *TEXTS,
        "weekday",
        "minute_of_day",
        "distance_miles",
        "seats",
        "plane_age_years",
        FeatureLookup(
            "features.carrier_delays", ["mean_departure_delay", "late_share", "flights"], within=timedelta(hours=6)
        ),
        FeatureLookup(
            "features.airport_weather",
            ["temperature_f", "wind_speed_mph", "precipitation_inches", "pressure_millibars", "visibility_miles"],
            within=timedelta(hours=4),
            on={"airport": "origin"},
        ),
    ],
    split=ByTime("scheduled_departure_at", since=date(2013, 11, 1)),
    gate=Gate("roc_auc", bound=0.7),
    metrics=["pr_auc", "brier", "log_loss"],
    params={
        "n_estimators": 150,
        "max_depth": 6,
        "learning_rate": 0.08,
        "subsample": 0.8,
        "colsample_bytree": 0.6,
        "min_child_weight": 50,
    },
)
def late_departure(training: Training) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder
    from xgboost import XGBClassifier

    numbers = [name for name in training.x.columns if name not in TEXTS]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    # With one thread, so that the same rows give the same model to the last digit.
    trees = XGBClassifier(**training.params, random_state=training.seed, n_jobs=1)
    columns = make_column_transformer((codes, TEXTS), ("passthrough", numbers))
    return make_pipeline(columns, trees).fit(training.x, training.y)
