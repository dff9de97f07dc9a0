"""Copies of registered models on this machine's disk, from which they're loaded."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import ScoringFailed
from lakehouse_assets.engine.registry.quiet import quiet
from lakehouse_assets.engine.registry.store import ModelStore, use
from lakehouse_assets.engine.registry.versions import Version
from lakehouse_assets.engine.scoring import scorer

if TYPE_CHECKING:
    from lakehouse_assets.engine.scoring.scorer import Scores

# Where the folder of the fitted model is in a model that we logged.
_FITTED = "artifacts/fitted"


def copy_of(store: ModelStore, it: Version) -> Path:
    """The folder of a version's fitted model, brought here once, and whole or not at all.

    Raises:
        ScoringFailed: it can't be had.
    """
    from mlflow.exceptions import MlflowException

    folder = Path(store.folder) / "copies" / f"{it.name}-{it.number}-{it.run_id}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = mkdtemp(dir=folder.parent)
        try:
            with quiet():
                import mlflow

                use(store)
                mlflow.artifacts.download_artifacts(it.source, dst_path=scratch)
            (Path(scratch) / _FITTED / "model.json").stat()
            Path(scratch).rename(folder)
        except (MlflowException, OSError) as error:
            if not folder.exists():  # else another process was first
                raise _broken(it, str(error)) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder / _FITTED


def scores_of(store: ModelStore, it: Version) -> Scores:
    """What scores by a version.

    Raises:
        ScoringFailed: it can't be loaded.
    """
    folder = copy_of(store, it)
    try:
        return scorer.load(str(folder))
    except Exception as error:
        raise _broken(it, f"{type(error).__name__}: {error}") from error


def _broken(it: Version, why: str) -> ScoringFailed:
    return ScoringFailed(
        f"Loading version {it.number} of {it.name}: {why}; its files may be damaged or gone. "
        "`lakehouse model rollback` or `promote` makes another version the champion"
    )


@dataclass(frozen=True)
class Described:
    """What the folder of a version says of it: its framework, whether it gives probabilities, and the columns that it
    needs, of which `texts` are texts and all others numbers.
    """

    framework: str
    probability: bool
    columns: list[str]
    texts: frozenset[str]


def described(store: ModelStore, it: Version) -> Described:
    """
    Raises:
        ScoringFailed: the version's files can't be had.
    """
    told = json.loads((copy_of(store, it) / "model.json").read_text())
    return Described(told["framework"], told["probability"], told["columns"], frozenset(told["texts"]))
