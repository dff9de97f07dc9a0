"""Churn and lifetime value: figures that are known for the same data, and nothing learnt of what comes later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import hyp2f1
from sklearn.metrics import roc_auc_score, root_mean_squared_error

from lakehouse_assets.domains.ecommerce.models.churn import churn
from lakehouse_assets.domains.ecommerce.models.lifetime_value import lifetime_value
from lakehouse_assets_tests.domains.landed import Landed
from lakehouse_assets_tests.domains.learning import counted, of_shuffled_labels, parted


def bg_nbd(rows: pd.DataFrame, weeks: int = 39) -> pd.Series[float]:
    """Expected purchases by Fader, Hardie and Lee (2005), with the parameters that they publish for CDNOW."""
    r, alpha, a, b = 0.243, 4.414, 0.793, 2.426
    x, recency, observed = rows["frequency"], rows["recency"], rows["observed"]
    until = alpha + observed
    gauss = hyp2f1(r + x, b + x, a + b + x - 1, weeks / (until + weeks))
    bought = (a + b + x - 1) / (a - 1) * (1 - (until / (until + weeks)) ** (r + x) * gauss)
    gone = (x > 0) * a / (b + x.clip(lower=1) - 1) * (until / (alpha + recency)) ** (r + x)
    return bought / (1 + gone)


def test_churn_is_told_as_well_as_by_any_model(ecommerce: Landed) -> None:
    run = ecommerce.trained("churn")
    learnt, judged, unlabelled = counted(run.data.params)
    assert (learnt, judged, unlabelled) == (5275, 1768, 0)
    assert 0.84 < run.data.metrics["roc_auc"] < 0.88  # .845 ± .014 over folds; more would be a leak
    assert 4 <= int(run.data.params["n_knots"]) <= 8


def test_shuffled_labels_tell_nothing_of_churn(ecommerce: Landed) -> None:
    parts = parted(churn, ecommerce.table("silver.subscribers"), ["customer_id"])
    by_chance = of_shuffled_labels(churn, parts, C=1.0, n_knots=6)
    assert not set(parts[0].rows["customer_id"]) & set(parts[1].rows["customer_id"])
    assert 0.42 < roc_auc_score(parts[1].y, by_chance) < 0.58


def test_purchases_to_come_are_told_better_than_by_bg_nbd(ecommerce: Landed) -> None:
    run, rows = ecommerce.trained("lifetime_value"), ecommerce.table("gold.customer_value")
    learnt, judged = parted(lifetime_value, rows, ["customer_id"])
    assert counted(run.data.params) == (len(learnt.x), len(judged.x), 0)
    assert len(learnt.x) + len(judged.x) == rows["customer_id"].nunique() == 23_570
    assert root_mean_squared_error(rows["next_purchases"], bg_nbd(rows)) == pytest.approx(1.737, abs=0.001)
    theirs = root_mean_squared_error(judged.y, bg_nbd(judged.rows))
    assert theirs == pytest.approx(1.886, abs=0.001)
    assert run.data.metrics["rmse"] < 1.76 < theirs
    forecast = ecommerce.table("gold.customer_forecast").set_index("customer_id")["score"]
    ours = root_mean_squared_error(judged.y, forecast.loc[judged.rows["customer_id"]])
    assert ours == pytest.approx(run.data.metrics["rmse"])


def test_with_shuffled_labels_purchases_are_told_no_better_than_by_their_mean(ecommerce: Landed) -> None:
    parts = parted(lifetime_value, ecommerce.table("gold.customer_value"), ["customer_id"])
    by_chance = root_mean_squared_error(parts[1].y, of_shuffled_labels(lifetime_value, parts))
    mean = np.full(len(parts[1].y), parts[0].y.mean())
    assert by_chance == pytest.approx(root_mean_squared_error(parts[1].y, mean), rel=0.02)


def test_what_is_learnt_from_is_the_same_with_all_later_purchases_cut_off(ecommerce: Landed, shared_data: Path) -> None:
    cells = pd.read_csv(shared_data / "ecommerce" / "cdnow" / "CDNOW_master.txt", sep=r"\s+", dtype=str)
    end = pd.Timestamp("1997-09-30")
    days = cells.assign(day=pd.to_datetime(cells["date"])).query("day <= @end")
    known = days.groupby("customer_id")["day"].agg(["min", "max", "nunique"])
    found = ecommerce.table("gold.customer_value").set_index("customer_id").loc[known.index]
    assert found["frequency"].tolist() == (known["nunique"] - 1).tolist()
    assert found["recency"].to_numpy() == pytest.approx(((known["max"] - known["min"]).dt.days / 7).to_numpy())
    assert found["observed"].to_numpy() == pytest.approx(((end - known["min"]).dt.days / 7).to_numpy())
