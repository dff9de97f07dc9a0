"""How much a model depends on each of its features: by shuffling it (Breiman 2001, permutation importance)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.models.metrics import measure
from lakehouse_assets.engine.spec.models.model import Model

if TYPE_CHECKING:
    from lakehouse_assets.engine.models.examples import Examples
    from lakehouse_assets.engine.scoring.scorer import Scores

ROWS = 5_000  # of the held-out rows: each feature is a further scoring of them


def importances(scores: Scores, held_out: Examples, model: Model) -> dict[str, float]:
    """By feature, what the gate's metric loses when the feature's values are shuffled among rows."""
    import numpy as np

    metric, chosen = model.gate.metric, np.random.default_rng(model.seed)
    few = chosen.permutation(len(held_out.x))[:ROWS]
    x, y = held_out.x.iloc[few].reset_index(drop=True), held_out.y.iloc[few].reset_index(drop=True)
    if metric.of_probability and y.nunique() < 2:
        return dict.fromkeys(model.inputs, 0.0)
    sign, whole = 1 if metric.greater_is_better else -1, measure(metric, y, scores(x))

    def lost(name: str) -> float:
        shuffled = x.assign(**{name: _shuffled(x[name], chosen)})
        return sign * (whole - measure(metric, y, scores(shuffled)))

    return {name: lost(name) for name in model.inputs}


def _shuffled(values: Any, chosen: Any) -> Any:
    return values.to_numpy()[chosen.permutation(len(values))]
