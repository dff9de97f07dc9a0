"""The search for parameters: trials by Optuna, each a run of MLflow below the run of the training."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.models.examples import Examples, held_out
from lakehouse_assets.engine.models.fit import fit
from lakehouse_assets.engine.models.metrics import measure
from lakehouse_assets.engine.models.tracking import Run, note, run
from lakehouse_assets.engine.spec.models.model import Model
from lakehouse_assets.engine.spec.models.search import Choice, Range, Search
from lakehouse_assets.engine.spec.models.split import AtRandom, ByFlag, ByGroup, ByTime, Split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna import Trial

VALIDATION = 0.25  # of the training rows


def best_params(model: Model, train: Examples, keys: Sequence[str], mine: Run, scratch: str) -> dict[str, Any]:
    """The declared parameters, with those of the trial that did best in place of what was searched for.

    Raises:
        TrainingFailed: the model's function raised in a trial.
    """
    if model.search is None:
        return dict(model.params)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    wanted, metric = model.search, model.gate.metric
    learnt, judge = train.part(held_out(train, _within(model.split, model.seed), keys))
    study = optuna.create_study(
        direction="maximize" if metric.greater_is_better else "minimize",
        sampler=optuna.samplers.TPESampler(seed=model.seed),
    )

    def tried(trial: Trial) -> float:
        params, name = {**model.params, **_suggested(trial, wanted)}, f"trial {trial.number}"
        with run(mine.store, model.key, {"mlflow.runName": name}, mine.id) as own, TemporaryDirectory() as folder:
            kept = fit(model, learnt, params, Path(folder) / "fitted", f"{scratch}/{trial.number}")
            score = measure(metric, judge.y, kept.scores(judge.x))
            note(own, {metric.name: score}, params)
        return score

    study.optimize(tried, n_trials=wanted.trials)
    return {**model.params, **study.best_params}


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
