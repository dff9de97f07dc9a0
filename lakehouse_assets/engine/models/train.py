"""A training, from pinned versions of tables to a version in the registry that is the champion or the challenger.

It may be killed at any point. The run that it was is marked as killed by the next training; a version that was
registered by then has all that is needed to decide about it, and the next run does that first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import TooFewRows, TrainingFailed
from lakehouse_assets.engine.models.examples import Examples, examples, held_out
from lakehouse_assets.engine.models.fit import Kept, fit
from lakehouse_assets.engine.models.importances import importances
from lakehouse_assets.engine.models.logged import log_model
from lakehouse_assets.engine.models.plots import plots
from lakehouse_assets.engine.models.search import best_params
from lakehouse_assets.engine.models.tracking import Run, keep, note, run, sweep
from lakehouse_assets.engine.models.trial import Trial, Verdict, columns_of
from lakehouse_assets.engine.models.watch.baseline import baseline_of
from lakehouse_assets.engine.plan.models import ModelPlan
from lakehouse_assets.engine.plan.read import recorded, whole_inputs
from lakehouse_assets.engine.registry.promotion import decide, undecided
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.engine.registry.versions import AGAINST, CODE, PASSED, READ, WHY, Version, champion, register
from lakehouse_assets.engine.registry.versions import version as version_of
from lakehouse_assets.engine.scoring.features import looked_up
from lakehouse_assets.engine.spec.models.model import Model

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

TAG = 5_000  # characters, of which MLflow takes so many in a tag


@dataclass(frozen=True)
class Trained:
    """What a training made: the version, what it's called now, and how it did on the held-out rows.

    `champion` has what the champion of before gets on the same rows.
    """

    version: Version
    alias: str
    metrics: dict[str, float]
    champion: dict[str, float]
    params: dict[str, Any]
    rows: dict[str, int]
    pictures: dict[str, bytes]


@dataclass(frozen=True)
class _Parts:
    """The rows to learn from and those held out, and how many of each there are, and without a label."""

    learnt: Examples
    held_out: Examples
    rows: dict[str, int]


def recover(model: Model, store: ModelStore) -> list[str]:
    """Finish what killed trainings left undone; what was done, in words."""
    swept = [f"run {it} of MLflow had been killed" for it in sweep(store, model.key)]
    for it in undecided(store, model.key):
        swept.append(f"version {it.number}, whose training was killed, is the {decide(store, model.key, it)}")
    return swept


def train(plan: ModelPlan, context: Context, store: ModelStore) -> Trained:
    """Train a model as planned, judge it, register it, and let the gate decide.

    Raises:
        TrainingFailed: its function raised, or its rows don't do; the champion is as it was.
        RegistryUnavailable: MLflow refused or didn't answer.
    """
    model, before = plan.model, champion(store, plan.model.key)
    with _one_thread(), run(store, model.key, _tags(plan)) as mine, TemporaryDirectory() as folder:
        scratch = f"{context.lake.scratch}/models/{mine.id}"
        parts = _parts(plan, context, columns_of(before, store))
        params = best_params(model, parts.learnt, _keys(model, context), mine, scratch)
        kept = fit(model, parts.learnt, params, Path(folder) / "fitted", scratch)
        trial = Trial(model, parts.held_out, kept.scores(parts.held_out.x))
        pictures = _told(mine, plan, parts, kept, trial)
        note(mine, trial.metrics, {**params, "seed": model.seed, "framework": kept.framework, **parts.rows})
        uri = log_model(mine, kept.folder, kept.framework, parts.learnt.x, _required(model, context))
        verdict = trial.against(before, store)
        made = register(store, model.key, uri, mine.id, {**_tags(plan), **_judged(before, verdict)})
    alias = decide(store, model.key, made, lambda other: _said(trial.against(other, store)))
    made = version_of(store, model.key, made.number)
    return Trained(made, alias, trial.metrics, verdict.of_champion, params, parts.rows, pictures)


def _parts(plan: ModelPlan, context: Context, also: Sequence[str]) -> _Parts:
    model, keys = plan.model, _keys(plan.model, context)
    found, unlabelled = examples(_rows(plan, context), model, keys, also)
    learnt, judge = found.part(held_out(found, model.split, keys))
    for part, what in ((learnt, "to learn from"), (judge, "held out")):
        _hold_to_sizes(model, part, what)
    rows = {"learnt_from": len(learnt.x), "held_out": len(judge.x), "without_label": unlabelled}
    return _Parts(learnt, judge, rows)


def _keys(model: Model, context: Context) -> Sequence[str]:
    return context.lakehouse.tables[context.lakehouse.upstreams(model)["rows"]].keys


def _rows(plan: ModelPlan, context: Context) -> DataFrame:
    model, lakehouse = plan.model, context.lakehouse
    tables = {name: lakehouse.tables[key] for name, key in lakehouse.upstreams(model).items()}
    return looked_up(whole_inputs(context.session(), plan.reads), model.lookups, tables, model.at)


def _hold_to_sizes(model: Model, part: Examples, what: str) -> None:
    y, doing = part.y, f"Training {model.key}"
    if part.x.empty:
        raise TooFewRows(f"{doing}: its split {model.split} leaves no row {what}; choose another")
    if model.is_classifier and not y.isin((0, 1)).all():
        raise TrainingFailed(
            f"{doing}: {model.label!r} is {y[~y.isin((0, 1))].iloc[0]:g} in a row; a probability is of a label that is "
            "true or false, or 1 or 0. Make it one in the table, or judge the model by rmse or mae"
        )
    if model.is_classifier and y.nunique() < 2:
        raise TooFewRows(
            f"{doing}: all {len(y)} rows {what} have {model.label} = {y.iloc[0]:g}; a classifier needs both, so choose "
            f"another split than {model.split}"
        )


def _told(mine: Run, plan: ModelPlan, parts: _Parts, kept: Kept, trial: Trial) -> dict[str, bytes]:
    """What is put beside the run: the plots, and in JSON the inputs, the importances and what the rows looked like."""
    model, learnt = plan.model, parts.learnt.x
    weights = importances(kept.scores, parts.held_out, model)
    pictures = plots(parts.held_out.y, trial.scored, weights, model.is_classifier)
    baseline = baseline_of(learnt, kept.scores(learnt))
    documents = {"inputs.json": recorded(plan.reads), "importances.json": weights, "baseline.json": baseline}
    keep(mine, pictures, documents)
    return pictures


def _tags(plan: ModelPlan) -> dict[str, str]:
    read = {key: {"id": it["id"], "to": it["to"]} for key, it in recorded(plan.reads).items()}
    told = {READ: json.dumps(read, sort_keys=True), CODE: plan.model.code_version}
    return {**told, "lakehouse.reason": plan.reason[:TAG]}


def _judged(before: Version | None, verdict: Verdict) -> dict[str, str]:
    passed, why = str(verdict.passed).lower(), verdict.why[:TAG]
    return {AGAINST: str(before.number if before else ""), PASSED: passed, WHY: why}


def _said(verdict: Verdict) -> tuple[bool, str]:
    return verdict.passed, verdict.why[:TAG]


def _required(model: Model, context: Context) -> set[str]:
    """The features that its table never has a null in, so that a request has to bring them."""
    rows = context.lakehouse.tables[context.lakehouse.upstreams(model)["rows"]]
    return {column.name for column in rows.columns if column.required} & {*model.features}


def _one_thread() -> Any:
    """One thread for linear algebra and trees: a sum in another order has another last digit."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
