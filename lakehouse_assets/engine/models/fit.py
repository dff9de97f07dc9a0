"""A model fitted by its function, kept in a folder, and loaded from there: what scores is what was kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import LakehouseError, TrainingFailed
from lakehouse_assets.engine.models.examples import Examples, texts_of
from lakehouse_assets.engine.models.fitted import save
from lakehouse_assets.engine.scoring import scorer
from lakehouse_assets.engine.spec.models.model import Model

if TYPE_CHECKING:
    from lakehouse_assets.engine.scoring.scorer import Scores


@dataclass(frozen=True)
class Kept:
    """A fitted model in a folder, the framework that it's of, and what scores by it."""

    folder: Path
    framework: str
    scores: Scores


def fit(model: Model, learnt: Examples, params: Mapping[str, Any], folder: Path, scratch: str) -> Kept:
    """Fit a model and keep it in a folder; `scratch` is another one that Spark can write to.

    Raises:
        TrainingFailed: its function raised, or returned nothing that can be kept.
    """
    fitted = _called(model, learnt, params)
    framework = save(fitted, model, folder, texts_of(learnt.x), scratch)
    return Kept(folder, framework, scorer.load(str(folder)))


def _called(model: Model, learnt: Examples, params: Mapping[str, Any]) -> Any:
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
