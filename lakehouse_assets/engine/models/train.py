"""A training, from pinned versions of tables to a version in the registry that is the champion or the challenger.

It may be killed at any point. The run that it was is marked as killed by the next training; a version that was
registered by then has all that is needed to decide about it, and the next run does that first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError, TooFewRows, TrainingFailed
from lakehouse_assets.engine.models import fitted as kept
from lakehouse_assets.engine.models.examples import Examples, examples, held_out, texts_of
from lakehouse_assets.engine.models.importances import importances
from lakehouse_assets.engine.models.logged import log_model
from lakehouse_assets.engine.models.metrics import judged, measure, measured
from lakehouse_assets.engine.models.plots import plots
from lakehouse_assets.engine.models.search import best_params
from lakehouse_assets.engine.models.tracking import keep, note, run, sweep
from lakehouse_assets.engine.plan.models import ModelPlan
from lakehouse_assets.engine.plan.read import recorded, whole_inputs
from lakehouse_assets.engine.registry.promotion import decide, undecided
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.engine.registry.versions import AGAINST, CODE, PASSED, READ, WHY, Version, champion, register
from lakehouse_assets.engine.registry.versions import version as version_of
from lakehouse_assets.engine.scoring import scorer
from lakehouse_assets.engine.scoring.batch import as_trained
from lakehouse_assets.engine.scoring.copies import described, scores_of
from lakehouse_assets.engine.scoring.features import looked_up
from lakehouse_assets.engine.spec.models.model import Model

if TYPE_CHECKING:
    import numpy as np
    from pyspark.sql import DataFrame

    from lakehouse_assets.engine.scoring.scorer import Scores


@dataclass(frozen=True)
class Trained:
    """What a training made: the version, what it's called now, and how it did on the held-out rows.

    `champion` has what the champion of before gets on the same rows, and `why` the gate's answer in words.
    """

    version: Version
    alias: str
    passed: bool
    why: str
    metrics: dict[str, float]
    champion: dict[str, float]
    params: dict[str, Any]
    rows: dict[str, int]
    pictures: dict[str, bytes]
    seconds: float


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
    start, model = time.monotonic(), plan.model
    keys = context.lakehouse.tables[context.lakehouse.upstreams(model)["rows"]].keys
    with _one_thread(), run(store, model.key, _tags(plan)) as run_id, TemporaryDirectory() as folder:
        before = champion(store, model.key)
        found, unlabelled = examples(_rows(plan, context), model, keys, _columns_of(before, store))
        learnt, judge = found.part(held_out(found, model.split, keys))
        _hold_to_sizes(model, learnt, judge)
        params = best_params(model, learnt, keys, store, run_id)
        fitted = _fitted(model, learnt, params)
        place = Path(folder) / "fitted"
        framework = kept.save(fitted, model, place, texts_of(learnt.x), f"{context.lake.scratch}/models/{run_id}")
        scores = scorer.load(f"{folder}/fitted")
        trial = _Trial(model, judge, scores, scores(judge.x))
        metrics = measured(model.metrics, judge.y, trial.scored)
        rows = {"learnt_from": len(learnt.x), "held_out": len(judge.x), "without_label": unlabelled}
        weights = importances(scores, judge, model)
        pictures = plots(judge.y, trial.scored, weights, model.is_classifier)
        note(store, run_id, metrics, {**params, "seed": model.seed, "framework": framework, **rows})
        keep(store, run_id, pictures, _documents(plan, learnt, weights, scores))
        required = _required(model, context)
        uri = log_model(store, run_id, place, framework, learnt.x, required)
        passed, why, of_champion = trial.against(before, store)
        tags = {
            **_tags(plan),
            AGAINST: str(before.number if before else ""),
            PASSED: str(passed).lower(),
            WHY: why[:5000],
        }
        made = register(store, model.key, uri, run_id, tags)
    alias = decide(store, model.key, made, lambda other: trial.against(other, store)[:2])
    made = version_of(store, model.key, made.number)
    return Trained(
        made, alias, made.tags[PASSED] == "true", made.tags[WHY], metrics, of_champion, params, rows, pictures,
        time.monotonic() - start,
    )  # fmt: skip


@dataclass(frozen=True)
class _Trial:
    """A new model with its scores of the held-out rows, to be held against a champion on the same rows."""

    model: Model
    held_out: Examples
    scores: Scores
    scored: np.ndarray[Any, Any]

    def against(self, other: Version | None, store: ModelStore) -> tuple[bool, str, dict[str, float]]:
        """Whether it passes, why, and what the champion gets. A champion that can't score is left where it is."""
        gate, y = self.model.gate, self.held_out.y
        new = measure(gate.metric, y, self.scored)
        if other is None:
            return *judged(gate, new, None, None), {}
        try:
            theirs = scores_of(store, other)(as_trained(self.held_out.rows.copy(), _columns_of(other, store)))
        except (LakehouseError, KeyError, ValueError) as error:
            why = f"the champion, version {other.number}, can't score these rows ({error}), so they can't be compared"
            return False, f"{why}. `lakehouse model promote {self.model.key} VERSION` takes the new one", {}
        of_champion = measured(self.model.metrics, y, theirs)
        return *judged(gate, new, of_champion[gate.metric.name], other.number), of_champion


def _columns_of(it: Version | None, store: ModelStore) -> list[str]:
    """The columns that a version needs; none where its files can't be had."""
    try:
        return list(described(store, it)["columns"]) if it else []  # type: ignore[call-overload]
    except (LakehouseError, OSError, ValueError, KeyError):
        return []


def _rows(plan: ModelPlan, context: Context) -> DataFrame:
    model, lakehouse = plan.model, context.lakehouse
    tables = {name: lakehouse.tables[key] for name, key in lakehouse.upstreams(model).items()}
    return looked_up(whole_inputs(context.session(), plan.reads), model.lookups, tables, model.at)


def _fitted(model: Model, learnt: Examples, params: Mapping[str, Any]) -> Any:
    try:
        return model(learnt.training(model, dict(params)))
    except LakehouseError:
        raise
    except Exception as error:  # a training function may raise anything
        said = str(error).splitlines()[0] if str(error) else ""
        raise TrainingFailed(
            f"Training {model.key}: its function raised {type(error).__name__}: {said}; mend it at "
            f"{model.file}:{model.line}. The champion is as it was"
        ) from error


def _hold_to_sizes(model: Model, learnt: Examples, judge: Examples) -> None:
    for part, what in ((learnt, "to learn from"), (judge, "held out")):
        if part.x.empty:
            raise TooFewRows(f"Training {model.key}: its split {model.split} leaves no row {what}; choose another")
        if model.is_classifier and not part.y.isin((0, 1)).all():
            strange = part.y[~part.y.isin((0, 1))].iloc[0]
            raise TrainingFailed(
                f"Training {model.key}: {model.label!r} is {strange:g} in a row; a probability is of a label that is "
                "true or false, or 1 or 0. Make it one in the table, or judge the model by rmse or mae"
            )
        if model.is_classifier and part.y.nunique() < 2:
            raise TooFewRows(
                f"Training {model.key}: all {len(part.y)} rows {what} have {model.label} = {part.y.iloc[0]:g}; a "
                f"classifier needs both, so choose another split than {model.split}"
            )


def _tags(plan: ModelPlan) -> dict[str, str]:
    read = {key: {"id": it["id"], "to": it["to"]} for key, it in recorded(plan.reads).items()}
    return {
        READ: json.dumps(read, sort_keys=True),
        CODE: plan.model.code_version,
        "lakehouse.reason": plan.reason[:5000],
    }


def _required(model: Model, context: Context) -> set[str]:
    """The features that its table never has a null in, so that a request has to bring them."""
    rows = context.lakehouse.tables[context.lakehouse.upstreams(model)["rows"]]
    return {column.name for column in rows.columns if column.required} & {*model.features}


def _documents(plan: ModelPlan, learnt: Examples, weights: Mapping[str, float], scores: Scores) -> dict[str, Any]:
    from lakehouse_assets.engine.models.baseline import baseline_of

    return {
        "inputs.json": recorded(plan.reads),
        "importances.json": dict(weights),
        "baseline.json": baseline_of(learnt.x, scores(learnt.x)),
    }


def _one_thread() -> Any:
    """One thread for linear algebra and trees: a sum in another order has another last digit."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
