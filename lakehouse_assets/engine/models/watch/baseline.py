"""What the training rows looked like, in numbers, so that later rows can be held against them.

Two measures of drift, each of one column, or of the scores:

- PSI, the population stability index: the sum over bins of (p - q) ln(p / q), where p and q are the shares of the
  training rows and of the later rows. By custom in credit scoring below 0.1 is stable, and above 0.25 has shifted.
- KS, the Kolmogorov–Smirnov statistic: the greatest distance of the two distribution functions, here at bin edges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

BINS = 10  # of numbers, by tenths of the training rows
VALUES = 20  # of texts: the most frequent ones; all others are one
# A share of none would make PSI infinite.
LEAST_SHARE = 1e-4
SCORE = "score"


def baseline_of(x: pd.DataFrame, scores: np.ndarray[Any, Any]) -> dict[str, Any]:
    """By column, and for the score: the edges or values of its bins, and the share of the rows in each.

    The last share is that of nulls.
    """
    return {str(name): _of_column(column) for name, column in x.assign(**{SCORE: scores}).items()}


def _of_column(column: pd.Series[Any]) -> dict[str, Any]:
    import numpy as np

    known = column.dropna()
    if column.dtype == object:
        values = [str(value) for value in known.value_counts().index[:VALUES]]
        return {"values": values, "shares": shares(column, {"values": values})}
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])).tolist() if len(known) else []
    return {"edges": edges, "shares": shares(column, {"edges": edges})}


def shares(column: pd.Series[Any], bins: Mapping[str, Any]) -> list[float]:
    """The share of a column's rows in each bin, and that of its nulls; of no rows all are 0."""
    import numpy as np

    known, rows = column.dropna(), max(len(column), 1)
    if "values" in bins:
        places = {value: number for number, value in enumerate(bins["values"])}
        which = known.astype(str).map(lambda value: places.get(value, len(places))).to_numpy("int64")
        counts = np.bincount(which, minlength=len(places) + 1)
    else:
        which = np.searchsorted(bins["edges"], known.to_numpy("float64"), side="left")
        counts = np.bincount(which, minlength=len(bins["edges"]) + 1)
    return [float(count) / rows for count in [*counts, len(column) - len(known)]]


def psi(before: list[float], now: list[float]) -> float:
    """The population stability index of two lists of shares."""
    pairs = [(max(p, LEAST_SHARE), max(q, LEAST_SHARE)) for p, q in zip(before, now, strict=True)]
    return sum((p - q) * math.log(p / q) for p, q in pairs)


def ks(before: list[float], now: list[float]) -> float:
    """The Kolmogorov–Smirnov statistic at the edges of the bins."""
    apart, greatest = 0.0, 0.0
    for p, q in zip(before[:-1], now[:-1], strict=True):
        apart += p - q
        greatest = max(greatest, abs(apart))
    return greatest
