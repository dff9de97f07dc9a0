"""Pictures of how a model does on the held-out rows, as PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

_BINS = 10


def plots(
    y: pd.Series[Any], scores: np.ndarray[Any, Any], importances: Mapping[str, float], is_classifier: bool
) -> dict[str, bytes]:
    """By name, the pictures that tell most of a model of its kind, and the importance of its features."""
    of_scores = (("roc", _roc), ("precision_recall", _precision_recall), ("calibration", _calibration))
    drawn = of_scores if is_classifier else (("predicted", _predicted), ("residuals", _residuals))
    made = {name: _picture(lambda axes, draw=draw: draw(axes, y.to_numpy(), scores)) for name, draw in drawn}
    return {**made, "importances": _picture(lambda axes: _importances(axes, importances))}


def _picture(draw: Any) -> bytes:
    # Not by pyplot: it has one state for the whole process, and looks for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.4), dpi=80, layout="constrained")
    draw(figure.subplots())
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _roc(axes: Axes, y: Any, scores: Any) -> None:
    from sklearn.metrics import roc_auc_score, roc_curve

    false, true, _ = roc_curve(y, scores)
    axes.plot(false, true)
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.set(
        xlabel="false positive rate", ylabel="true positive rate", title=f"ROC, area {roc_auc_score(y, scores):.3f}"
    )


def _precision_recall(axes: Axes, y: Any, scores: Any) -> None:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    precision, recall, _ = precision_recall_curve(y, scores)
    axes.plot(recall, precision)
    axes.axhline(y.mean(), linestyle=":", color="grey")
    title = f"Precision and recall, area {average_precision_score(y, scores):.3f}"
    axes.set(xlabel="recall", ylabel="precision", title=title, ylim=(0, 1.02))


def _calibration(axes: Axes, y: Any, scores: Any) -> None:
    from sklearn.calibration import calibration_curve

    happened, predicted = calibration_curve(y, scores, n_bins=_BINS, strategy="quantile")
    axes.plot(predicted, happened, marker="o")
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.set(xlabel="predicted probability", ylabel="share that happened", title="Calibration, by tenths of the rows")


def _predicted(axes: Axes, y: Any, scores: Any) -> None:
    axes.scatter(y, scores, s=6, alpha=0.4)
    ends = [min(y.min(), scores.min()), max(y.max(), scores.max())]
    axes.plot(ends, ends, linestyle=":", color="grey")
    axes.set(xlabel="what it was", ylabel="predicted", title="Predicted against what it was")


def _residuals(axes: Axes, y: Any, scores: Any) -> None:
    axes.hist(scores - y, bins=40)
    axes.axvline(0, linestyle=":", color="grey")
    axes.set(xlabel="predicted minus what it was", ylabel="rows", title="Residuals")


def _importances(axes: Axes, importances: Mapping[str, float]) -> None:
    ordered = sorted(importances.items(), key=lambda it: it[1])[-15:]
    axes.barh([name for name, _ in ordered], [value for _, value in ordered])
    axes.set(xlabel="what the metric loses when the column is shuffled", title="Importances")
    axes.tick_params(axis="y", labelsize=7)


def psi_plot(psi: Mapping[str, float], limit: float) -> bytes:
    """The PSI of each column, beside the greatest that is allowed."""
    ordered = sorted(psi.items(), key=lambda it: it[1])[-15:]

    def draw(axes: Axes) -> None:
        colors = ["tab:red" if value > limit else "tab:blue" for _, value in ordered]
        axes.barh([name for name, _ in ordered], [value for _, value in ordered], color=colors)
        axes.axvline(limit, linestyle=":", color="grey")
        axes.set(xlabel="PSI against the training rows", title="Drift")
        axes.tick_params(axis="y", labelsize=7)

    return _picture(draw)
