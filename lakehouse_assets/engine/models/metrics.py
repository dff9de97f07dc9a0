"""Metrics computed, by scikit-learn, and the gate decided by them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.spec.models.metrics import Gate, Metric

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def measured(metrics: Iterable[Metric], y: pd.Series[Any], scores: np.ndarray[Any, Any]) -> dict[str, float]:
    """Each metric by its name."""
    return {metric.name: measure(metric, y, scores) for metric in metrics}


def measure(metric: Metric, y: pd.Series[Any], scores: np.ndarray[Any, Any]) -> float:
    """One metric of scores against labels."""
    from sklearn import metrics as of

    match metric.kind:
        case "recall_at" | "precision_at":
            return _at(metric, y, scores)
        case "roc_auc":
            return float(of.roc_auc_score(y, scores))
        case "pr_auc":
            return float(of.average_precision_score(y, scores))
        case "brier":
            return float(of.brier_score_loss(y, scores))
        case "log_loss":
            return float(of.log_loss(y, scores))
        case "rmse":
            return float(of.root_mean_squared_error(y, scores))
        case "mae":
            return float(of.mean_absolute_error(y, scores))


def _at(metric: Metric, y: pd.Series[Any], scores: np.ndarray[Any, Any]) -> float:
    import numpy as np

    first = np.argsort(-scores, kind="stable")[: metric.alerts]
    found = float(y.to_numpy()[first].sum())
    return found / (float(y.sum()) if metric.kind == "recall_at" else len(first))


def judged(gate: Gate, new: float, champion: float | None, number: int | None) -> tuple[bool, str]:
    """Whether a new version passes, and why or why not, in words with the numbers.

    `champion` is what the present one gets on the same rows, and `number` its version; None where there is none.
    """
    metric, sign = gate.metric, 1 if gate.metric.greater_is_better else -1
    said, passed = [f"{metric.name} is {new:.4g}"], True
    if gate.bound is not None:
        reached = sign * new >= sign * gate.bound
        passed &= reached
        bound = "at least" if sign > 0 else "at most"
        said.append(f"{'and' if reached else 'but'} has to be {bound} {gate.bound:.4g}")
    if champion is not None:
        better = sign * (new - champion) > gate.margin
        passed &= better
        by = f" by more than {gate.margin:.4g}" if gate.margin else ""
        said.append(
            f"{'better' if better else 'not better'}{by} than the {champion:.4g} of the champion, version {number}"
        )
    return passed, ", ".join(said)
