"""A search for hyper-parameters: what may be tried, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included: whole ones if both are, or evenly spread over their logarithm."""

    low: float
    high: float
    logarithmic: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Search:
    """Tries `trials` sets of parameters by Optuna's TPE sampler, and takes the one that does best by the gate's metric.

    They're judged on a part of the training rows that is held out by the same kind of split as the model's own; its
    held-out rows are never seen.
    """

    trials: int
    params: Mapping[str, Range | Choice] = field(default_factory=dict)
