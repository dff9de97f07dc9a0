"""What can be wrong with one declared model, and with the table of its scores; and what such a table takes from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import get_args

from lakehouse_assets.engine.graph.discover import full_key
from lakehouse_assets.engine.graph.labels import file_problems
from lakehouse_assets.engine.graph.table_problems import where
from lakehouse_assets.engine.spec.asset import Domain
from lakehouse_assets.engine.spec.inputs import Upstream
from lakehouse_assets.engine.spec.models.metrics import MetricName
from lakehouse_assets.engine.spec.models.model import MODELS, Model
from lakehouse_assets.engine.spec.models.monitor import Quality
from lakehouse_assets.engine.spec.models.score import Score
from lakehouse_assets.engine.spec.models.split import AtRandom
from lakehouse_assets.engine.spec.table import Table


def resolved(table: Table, models: Mapping[str, Model], tables: Mapping[str, Table]) -> Table:
    """A table of scores with what its model says that a score is made from; any other table as it is."""
    if table.score is None:
        return table
    key = full_key(table, table.score.model)
    model = models.get(key)
    if model is None:
        return replace(table, score=replace(table.score, key=key))
    looked_up = {it.parameter: full_key(model, it.table) for it in model.lookups}
    found = {name: tables[at] for name, at in looked_up.items() if at in tables}
    score = replace(
        table.score, key=key, lookups=model.lookups, at=model.at, tables=found, metrics=model.metrics,
        learns=full_key(model, model.rows.table), quality=_quality(table, table.score, model),
    )  # fmt: skip
    upstreams = {name: Upstream(at, lookup=True) for name, at in looked_up.items()}
    return replace(table, score=score, inputs={**table.inputs, **upstreams})


def _quality(table: Table, score: Score, model: Model) -> Quality | None:
    """With the table, the label and the key that it has where none is named."""
    it = score.quality
    if it is None:
        return None
    labels = full_key(table, it.labels or full_key(model, model.rows.table))
    return replace(it, labels=labels, label=it.label or model.label, on=tuple(it.on or table.keys))


def watch_problems(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    """What can be wrong with how a table of scores is watched."""
    score = table.score
    if score is None:
        return
    drift, quality = score.drift, score.quality
    if drift and drift.over and drift.over not in score.kept:
        yield f"{where(table)}: looks for drift over {drift.over!r}, which it doesn't keep; add it to keep=[…]"
    if quality and not quality.on:
        yield f"{where(table)}: has no key by which its scores find their labels; say Quality(on=(…,))"
    labels = tables.get(full_key(table, quality.labels)) if quality else None
    declared = [column.name for column in labels.columns] if labels else []
    for column in [c for c in (quality.label, *quality.on) if declared and c not in declared] if quality else []:
        yield f"{where(table)}: needs {column!r} for its quality, which {quality.labels} doesn't declare"  # type: ignore[union-attr]


def model_problems(model: Model, domains: Mapping[str, Domain], tables: Mapping[str, Table]) -> Iterator[str]:
    """Each problem with its file and line, and with what to do."""
    for problem in file_problems(model, MODELS, domains.get(model.domain)):
        yield f"{where(model)}: {problem}"
    for problem in (*_column_problems(model, tables), *_metric_problems(model)):
        yield f"{where(model)}: {problem}"


def _column_problems(model: Model, tables: Mapping[str, Table]) -> Iterator[str]:
    if not model.inputs:
        yield "learns from no feature; name some columns"
    for name in {n for n in model.inputs if model.inputs.count(n) > 1}:
        yield f"has the feature {name!r} twice; take one of them out"
    if model.label in model.inputs:
        yield f"has its label {model.label!r} among its features, and would learn the answer; take it out"
    if model.lookups and not model.at:
        yield "looks features up, but not as of when; name the column with a row's time, as in at='departs_at'"
    yield from _unknown(model, tables)


def _unknown(model: Model, tables: Mapping[str, Table]) -> Iterator[str]:
    split = () if isinstance(model.split, AtRandom) else (model.split.column,)
    used = {model.rows.table: (*model.features, model.label, *split, *((model.at,) if model.at else ()))}
    for name, columns in [*used.items(), *((it.table, tuple(it.columns)) for it in model.lookups)]:
        table = tables.get(full_key(model, name))
        declared = [column.name for column in table.columns] if table else []
        for column in [c for c in columns if declared and c not in declared]:
            near = get_close_matches(column, declared, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(declared)}"
            yield f"uses {column!r}, which {name} doesn't declare{hint}"
    for it in model.lookups:
        looked_up = tables.get(full_key(model, it.table))
        if looked_up and looked_up.feature is None:
            yield f"looks up {it.table}, which isn't a table of features; declare it with features(…)"
    rows = tables.get(full_key(model, model.rows.table))
    if rows and not rows.keys:
        yield f"learns from {rows.key}, which has no key; declare one, so that its rows have an order"


def _metric_problems(model: Model) -> Iterator[str]:
    known = get_args(MetricName)
    for metric in [m for m in model.metrics if m.kind not in known]:
        yield f"has the metric {metric.kind!r}, which there is none of; use {', '.join(known)}"
    for metric in [m for m in model.metrics if m.kind in known and m.of_probability != model.is_classifier]:
        yield f"is judged by {model.gate.metric.name} and by {metric.name}: one is of probabilities and one of numbers"
    for metric in [m for m in model.metrics if m.kind.endswith("_at") and m.alerts < 1]:
        yield f"measures {metric.kind} of no alerts; say of how many, as in Metric({metric.kind!r}, alerts=100)"
