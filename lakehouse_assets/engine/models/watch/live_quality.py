"""How good scores are by the labels that have come since, beside what the version got on its held-out rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.models.metrics import measured
from lakehouse_assets.engine.models.watch.watched import Watched
from lakehouse_assets.engine.spec.models.metrics import Metric
from lakehouse_assets.engine.spec.models.monitor import QUALITY, Quality
from lakehouse_assets.engine.spec.models.score import SCORE

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

LABEL = "__label"


def labelled(scores: DataFrame, labels: DataFrame, learnt: DataFrame | None, it: Quality) -> tuple[pd.DataFrame, int]:
    """Scores with the labels known by now, at most so many, and how many there are.

    Rows that had a label in `learnt`, the table as the version was trained on it, are left out: a model does better on
    what it has learnt.
    """
    from pyspark.sql import functions as F

    on = [*it.on]
    known = labels.where(F.col(it.label).isNotNull()).select(*on, F.col(it.label).cast("double").alias(LABEL))
    found = scores.select(*on, SCORE).join(known, on)
    if learnt is not None:
        found = found.join(learnt.where(F.col(it.label).isNotNull()).select(*on), on, "left_anti")
    ordered = found.orderBy(F.xxhash64(*on)).limit(it.most).select(SCORE, LABEL)
    taken = ordered.toPandas()
    return taken, found.count() if len(taken) == it.most else len(taken)


def judged_quality(
    rows: pd.DataFrame, number: int, metrics: Sequence[Metric], held_out: Mapping[str, float], it: Quality
) -> Watched:
    """What the check says, without the version that it's about. The gate's metric, the first, decides."""
    if why := _too_little(rows, metrics[0], it):
        return Watched(QUALITY, True, why, figures={"rows": number})
    now = measured(metrics, rows[LABEL], rows[SCORE].to_numpy())
    gate, before = metrics[0], held_out.get(metrics[0].name)
    lost = 0.0 if before is None else (before - now[gate.name]) * (1 if gate.greater_is_better else -1)
    passed = before is None or lost <= it.worse_by * abs(before)
    beside = (
        f"{before:.4g} on the rows held out of its training" if before is not None else "nothing, as MLflow has none"
    )
    told = f"{gate.name} is {now[gate.name]:.4g} on {number:,} rows with labels, beside {beside}"
    allowed = f"{told}; it may be worse by {it.worse_by:.0%}."
    shown = tuple((name, f"{value:.5g}", _number(held_out.get(name))) for name, value in now.items())
    figures = {"rows": float(number), **{f"live/{name}": value for name, value in now.items()}}
    return Watched(QUALITY, passed, allowed, figures=figures, columns=("metric", "now", "held out"), rows=shown)


def _too_little(rows: pd.DataFrame, gate: Metric, it: Quality) -> str:
    if len(rows) < it.least:
        return (
            f"Only {len(rows):,} scored rows have got a label that wasn't learnt from, where {it.least:,} are needed."
        )
    if gate.of_probability and rows[LABEL].nunique() < 2:
        return f"All {len(rows):,} rows have {it.label} = {rows[LABEL].iloc[0]:g}, which tells nothing of a classifier."
    return ""


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.5g}"
