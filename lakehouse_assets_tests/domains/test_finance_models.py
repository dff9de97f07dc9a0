"""Fraud in payments and card transactions: known figures of the samples, learnt from the past alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from lakehouse_assets.domains.finance.models.card_fraud import card_fraud
from lakehouse_assets.domains.finance.models.payment_fraud import payment_fraud
from lakehouse_assets.engine import Training
from lakehouse_assets_tests.domains.landed import Landed
from lakehouse_assets_tests.domains.learning import counted, of_shuffled_labels, parted, scored

PAYMENT = ["step", "type", "amount", "payer", "payee"]


def test_nearly_all_fraud_among_payments_is_found_as_it_empties_the_account(finance: Landed) -> None:
    run = finance.trained("payment_fraud")
    assert counted(run.data.params) == (40_748, 10_644, 0)
    assert run.data.metrics["pr_auc"] > 0.99
    assert run.data.metrics["recall_at_1000"] > 0.99
    assert run.data.metrics["precision_at_500"] > 0.99


def test_payments_are_as_they_stand_before_they_are_paid(finance: Landed, shared_data: Path) -> None:
    cells = pd.read_csv(shared_data / "finance" / "paysim_sample.csv.gz")
    cells = cells.sort_values(["nameOrig", "step"], ignore_index=True)
    found = finance.table("gold.payments_ahead").sort_values(["payer", "step"], ignore_index=True)
    left = found["payer_left"].astype(float).to_numpy()
    assert not [name for name in found if name.endswith("_after")]
    assert left == pytest.approx((cells["oldbalanceOrg"] - cells["amount"]).round(2).to_numpy())
    share = (cells["amount"] / cells["oldbalanceOrg"].where(cells["oldbalanceOrg"] > 0)).to_numpy()
    assert found["share"].to_numpy() == pytest.approx(share, nan_ok=True)
    # What is left is told apart from the balance that is published as the one after, which is what leaks.
    assert (left != cells["newbalanceOrig"].to_numpy()).mean() > 0.5


def test_every_fraud_that_is_judged_comes_after_all_that_is_learnt_from(finance: Landed) -> None:
    payments = parted(payment_fraud, finance.table("gold.payments_ahead"), PAYMENT)
    cards = parted(card_fraud, finance.table("silver.card_transactions"), ["transaction_id"])
    assert payments[0].rows["step"].max() < payments[1].rows["step"].min()
    assert cards[0].rows["seconds"].max() < cards[1].rows["seconds"].min()
    assert (len(cards[0].x), len(cards[1].x)) == (1362, 341)


def test_card_fraud_is_found_better_than_by_a_logistic_regression(finance: Landed) -> None:
    run = finance.trained("card_fraud")
    assert counted(run.data.params) == (1362, 341, 0)
    assert run.data.metrics["pr_auc"] > 0.971


def test_shuffled_labels_tell_nothing_of_fraud(finance: Landed) -> None:
    cards = parted(card_fraud, finance.table("silver.card_transactions"), ["transaction_id"])
    by_chance = of_shuffled_labels(card_fraud, cards)
    assert 0.35 < roc_auc_score(cards[1].y, by_chance) < 0.65
    payments = parted(payment_fraud, finance.table("gold.payments_ahead"), PAYMENT)
    by_chance = of_shuffled_labels(payment_fraud, payments)
    assert average_precision_score(payments[1].y, by_chance) < 4 * payments[1].y.mean()


def test_scores_of_payments_are_those_of_the_function_on_the_same_rows(finance: Landed) -> None:
    learnt, judged = parted(payment_fraud, finance.table("gold.payments_ahead"), PAYMENT)
    expected = scored(payment_fraud, Training(learnt.x, learnt.y, params=payment_fraud.params), judged.x)
    stored = finance.table("gold.payment_fraud_risk")
    found = judged.rows[PAYMENT].merge(stored, on=PAYMENT, how="left", validate="1:1")
    assert len(stored) == 51_392
    assert np.abs(found["score"].to_numpy() - expected).max() < 1e-6
