"""A new model with its scores of the held-out rows, held against the gate and against a champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.models.examples import Examples
from lakehouse_assets.engine.models.metrics import judged, measured
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.engine.registry.versions import Version
from lakehouse_assets.engine.scoring.batch import as_trained
from lakehouse_assets.engine.scoring.copies import described, scores_of
from lakehouse_assets.engine.spec.models.model import Model

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Verdict:
    """Whether a new model passes the gate and why, in words; and what the champion gets on the same rows."""

    passed: bool
    why: str
    of_champion: dict[str, float]


@dataclass(frozen=True)
class Trial:
    """A model, the rows that were held out, and its scores of them."""

    model: Model
    held_out: Examples
    scored: np.ndarray[Any, Any]

    @property
    def metrics(self) -> dict[str, float]:
        """All that is measured of it, by name."""
        return measured(self.model.metrics, self.held_out.y, self.scored)

    def against(self, other: Version | None, store: ModelStore) -> Verdict:
        """What the gate says, beside a champion if there is one. One that can't score is left where it is."""
        gate = self.model.gate
        new = self.metrics[gate.metric.name]
        if other is None:
            return Verdict(*judged(gate, new, None, None), {})
        try:
            theirs = scores_of(store, other)(as_trained(self.held_out.rows.copy(), columns_of(other, store)))
        except (LakehouseError, KeyError, ValueError) as error:
            why = f"the champion, version {other.number}, can't score these rows ({error}), so they can't be compared"
            way = f"`lakehouse model promote {self.model.key} VERSION` takes the new one"
            return Verdict(False, f"{why}. {way}", {})
        of_champion = measured(self.model.metrics, self.held_out.y, theirs)
        return Verdict(*judged(gate, new, of_champion[gate.metric.name], other.number), of_champion)


def columns_of(it: Version | None, store: ModelStore) -> list[str]:
    """The columns that a version needs; none where its files can't be had."""
    try:
        return described(store, it).columns if it else []
    except (LakehouseError, OSError, ValueError, KeyError):
        return []
