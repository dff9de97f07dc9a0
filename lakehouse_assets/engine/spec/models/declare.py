"""How a domain file declares a model, and the table of its scores."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from lakehouse_assets.engine.spec.checks import Check
from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.compute import Compute
from lakehouse_assets.engine.spec.expectations import Expectation
from lakehouse_assets.engine.spec.inputs import Upstream
from lakehouse_assets.engine.spec.models.metrics import Gate, Metric, MetricName
from lakehouse_assets.engine.spec.models.model import FeatureLookup, Model, Training
from lakehouse_assets.engine.spec.models.monitor import Drift, Quality
from lakehouse_assets.engine.spec.models.score import RUN, SCORE, VERSION, Score
from lakehouse_assets.engine.spec.models.search import Search
from lakehouse_assets.engine.spec.models.split import Split
from lakehouse_assets.engine.spec.modes import Append, Merge
from lakehouse_assets.engine.spec.table import Table


def model(
    *,
    rows: str,
    label: str,
    features: Sequence[str | FeatureLookup],
    split: Split,
    gate: Gate,
    metrics: Sequence[MetricName | Metric] = (),
    at: str = "",
    where: str = "",
    params: Mapping[str, Any] | None = None,
    search: Search | None = None,
    seed: int = 0,
    every: timedelta = timedelta(days=7),
    owner: str | None = None,
    freshness: timedelta | None = None,
    tags: Mapping[str, str] | None = None,
    compute: Compute | None = None,
    retrain_on_drift: bool = False,
) -> Callable[[Callable[[Training], Any]], Model]:
    """Declare the decorated training function as a model of the file's domain, with the function's name.

    `rows` names the table of examples, and `features` its columns to learn from and those of feature tables, which are
    looked up as they were known at the time in the column `at`. `where` is a SQL condition that examples have to meet.
    The function gets a `Training` and returns a fitted model of scikit-learn, XGBoost, Keras or Spark MLlib. A model is
    trained anew when its declaration changes, and when its inputs did and the last training is older than `every`; with
    `retrain_on_drift` also when its scores' check `drift` or `quality` is broken.
    """

    def declare(fn: Callable[[Training], Any]) -> Model:
        code = fn.__code__
        file = Path(code.co_filename)
        doc = inspect.cleandoc(fn.__doc__ or fn.__globals__.get("__doc__") or "")
        return Model(
            domain=file.parts[-3], name=fn.__name__, doc=doc, rows=Upstream(rows), label=label,
            features=tuple(f for f in features if isinstance(f, str)),
            lookups=tuple(f for f in features if isinstance(f, FeatureLookup)), split=split, gate=gate,
            metrics=_metrics(gate, metrics), file=file, line=code.co_firstlineno, fn=fn, at=at, where=where,
            params=params or {}, search=search, seed=seed, every=every, owner=owner, freshness=freshness,
            tags=tags or {}, compute=compute, retrain_on_drift=retrain_on_drift,
        )  # fmt: skip

    return declare


def _metrics(gate: Gate, metrics: Sequence[MetricName | Metric]) -> tuple[Metric, ...]:
    """All that is measured: what the gate goes by first."""
    named = [metric if isinstance(metric, Metric) else Metric(metric) for metric in metrics]
    return tuple(dict.fromkeys((gate.metric, *named)))


def score(
    *,
    model: str,
    rows: str,
    keep: Sequence[Column],
    expect: Sequence[Expectation] = (),
    checks: Sequence[Check] = (),
    drift: Drift | None = Drift(),  # noqa: B008  (a frozen value)
    quality: Quality | None = None,
    owner: str | None = None,
    freshness: timedelta | None = None,
    tags: Mapping[str, str] | None = None,
    compute: Compute | None = None,
) -> Table:
    """Declare the table of a model's scores: the columns to `keep` of `rows`, with `score` and `model_version`.

    New and changed rows are scored as they come, and all of them when another version has become the champion. `rows`
    has the columns that the model's own table of examples has, but for the label. Scores are merged by the key among
    the columns that are kept, and appended where there is none. `drift` and `quality` are watched, and
    warn. Assign it to a variable named as the file.
    """
    frame = inspect.currentframe()
    caller = frame and frame.f_back
    assert caller is not None  # noqa: S101  (CPython has frames)
    file = Path(caller.f_code.co_filename)
    domain, layer = file.parts[-3:-1]
    key = tuple(column.name for column in keep if column.key)
    return Table(
        domain=domain, layer=layer, name=file.stem, doc=inspect.cleandoc(caller.f_globals.get("__doc__") or ""),
        inputs={"rows": Upstream(rows, latest_on=key)}, columns=(*keep, *_SCORE_COLUMNS), expect=tuple(expect),
        checks=tuple(checks), write=Merge(key, (RUN,)) if key else Append(), file=file, line=caller.f_lineno,
        owner=owner,
        freshness=freshness, tags=tags or {}, compute=compute,
        score=Score(model, tuple(c.name for c in keep), drift=drift, quality=quality),
    )  # fmt: skip


_SCORE_COLUMNS = (
    Column(SCORE, "double", nullable=False, doc="The probability of the label, or the number that is predicted."),
    Column(VERSION, "int", nullable=False, doc="The version of the model that gave the score."),
)
