"""On how many days a customer of CDNOW buys in the next 39 weeks, from the first 39: a regression on their squares.

On customers that are held out it gets an RMSE of 1.752. BG/NBD, with its published parameters and the same three
numbers, gets 1.886 on the same ones and 1.737 on all; over five folds this gets 1.694 and BG/NBD 1.729. By the mean
absolute error BG/NBD does better, with .813 against .858. Boosted trees get 1.722 over the folds.
"""

from typing import Any

from lakehouse_assets.engine import ByGroup, Gate, Training, model


@model(
    rows="gold.customer_value",
    label="next_purchases",
    features=["frequency", "recency", "observed"],
    split=ByGroup("customer_id", share=0.25),
    gate=Gate("rmse", bound=1.76),
    metrics=["mae"],
    params={"degree": 2, "alpha": 1.0},
)
def lifetime_value(training: Training) -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    products = PolynomialFeatures(training.params["degree"], include_bias=False)
    line = Ridge(training.params["alpha"])
    return make_pipeline(products, StandardScaler(), line).fit(training.x, training.y)
