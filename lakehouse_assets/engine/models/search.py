"""The search for parameters: trials by Optuna, each a run of MLflow below the run of the training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.models.examples import Examples, held_out, texts_of
from lakehouse_assets.engine.models.fitted import framework_of
from lakehouse_assets.engine.models.metrics import measure
from lakehouse_assets.engine.models.tracking import note, run
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.engine.spec.models.model import Model
from lakehouse_assets.engine.spec.models.search import Choice, Range, Search
from lakehouse_assets.engine.spec.models.split import AtRandom, ByFlag, ByGroup, ByTime, Split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna import Trial

VALIDATION = 0.25  # of the training rows


def best_params(model: Model, train: Examples, keys: Sequence[str], store: ModelStore, parent: str) -> dict[str, Any]:
    """The declared parameters, with those of the trial that did best in place of what was searched for."""
    if model.search is None:
        return dict(model.params)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    fit, judge = train.part(held_out(train, _within(model.split, model.seed), keys))
    study = optuna.create_study(
        direction="maximize" if model.gate.metric.greater_is_better else "minimize",
        sampler=optuna.samplers.TPESampler(seed=model.seed),
    )

    def tried(trial: Trial) -> float:
        params = {**model.params, **_suggested(trial, model.search or Search(0))}
        with run(store, model.key, {"mlflow.runName": f"trial {trial.number}"}, parent) as child:
            score = measure(model.gate.metric, judge.y, _scores(model, model(fit.training(model, params)), judge.x))
            note(store, child, {model.gate.metric.name: score}, params)
        return score

    study.optimize(tried, n_trials=model.search.trials)
    return {**model.params, **study.best_params}


def _scores(model: Model, fitted: Any, x: Any) -> Any:
    if framework_of(fitted, model) in ("sklearn", "xgboost"):
        return fitted.predict_proba(x)[:, 1] if model.is_classifier else fitted.predict(x)
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from lakehouse_assets.engine.models import fitted as kept
    from lakehouse_assets.engine.scoring import scorer

    with TemporaryDirectory() as folder:
        kept.save(fitted, model, Path(folder) / "fitted", texts_of(x), f"{folder}/scratch")
        return scorer.load(f"{folder}/fitted")(x)


def _suggested(trial: Trial, wanted: Search) -> dict[str, Any]:
    return {name: _one(trial, name, kind) for name, kind in wanted.params.items()}


def _one(trial: Trial, name: str, kind: Range | Choice) -> Any:
    match kind:
        case Choice(values=values):
            return trial.suggest_categorical(name, values)
        case Range(whole=True):
            return trial.suggest_int(name, int(kind.low), int(kind.high), log=kind.logarithmic)
        case Range():
            return trial.suggest_float(name, kind.low, kind.high, log=kind.logarithmic)


def _within(split: Split, seed: int) -> Split:
    """A split of the same kind for the training rows. A flag marks none of them, so it's by group or at random."""
    match split:
        case ByTime(column=column):
            return ByTime(column, share=VALIDATION)
        case ByGroup(column=column):
            return ByGroup(column, VALIDATION, seed + 1)
        case ByFlag(group=group):
            return ByGroup(group, VALIDATION, seed + 1) if group else AtRandom(VALIDATION, seed + 1)
        case AtRandom():
            return AtRandom(VALIDATION, seed + 1)
