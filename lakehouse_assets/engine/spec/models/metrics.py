"""How well a model does on rows that it hasn't seen: the metrics, and the gate that a new version has to pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MetricName = Literal["roc_auc", "pr_auc", "brier", "log_loss", "recall_at", "precision_at", "rmse", "mae"]

_OF_PROBABILITY = ("roc_auc", "pr_auc", "brier", "log_loss", "recall_at", "precision_at")
_SMALLER_IS_BETTER = ("brier", "log_loss", "rmse", "mae")


@dataclass(frozen=True)
class Metric:
    """A measure of scores against labels, as scikit-learn defines it.

    | name | what it is |
    |---|---|
    | `roc_auc` | the chance that a true case is scored above a false one |
    | `pr_auc` | average precision: precision over all recalls |
    | `brier` | mean squared distance of the probability from the outcome; smaller is better |
    | `log_loss` | mean negative logarithm of the probability of what happened; smaller is better |
    | `recall_at` | share of the true cases among the `alerts` rows with the highest scores |
    | `precision_at` | share of these rows that are true cases |
    | `rmse` | root of the mean squared error, in units of the label; smaller is better |
    | `mae` | mean absolute error, in units of the label; smaller is better |
    """

    kind: MetricName
    alerts: int = 0

    @property
    def name(self) -> str:
        """As MLflow and the UI have it: `recall_at_100`."""
        return f"{self.kind}_{self.alerts}" if self.alerts else self.kind

    @property
    def of_probability(self) -> bool:
        return self.kind in _OF_PROBABILITY

    @property
    def greater_is_better(self) -> bool:
        return self.kind not in _SMALLER_IS_BETTER


@dataclass(frozen=True)
class Gate:
    """What a new version needs to become the champion.

    What `by` measures on the held-out rows has to reach `bound`, and to be better than the champion's on the same rows
    by more than `margin`. As good is good enough for a `margin` below zero.
    """

    by: MetricName | Metric
    bound: float | None = None
    margin: float = 0.0

    @property
    def metric(self) -> Metric:
        return self.by if isinstance(self.by, Metric) else Metric(self.by)
