"""How a model is watched once it scores: whether its rows have drifted, and how it does as the truth comes to light."""

from __future__ import annotations

from dataclasses import dataclass

# The checks that a table of scores has.
DRIFT, QUALITY = "drift", "quality"


@dataclass(frozen=True)
class Drift:
    """The rows that are scored, and their scores, are distributed as the rows that the champion learnt from.

    Broken where the PSI of a feature or of the score is above `psi`, or the KS statistic of a number above `ks`. Held
    against the training are all rows, or by the times in the column `over` the newest share of them. Fewer than `least`
    rows tell nothing: by chance alone the PSI of 200 rows in ten bins is 0.05.
    """

    psi: float = 0.25
    ks: float = 0.2
    over: str = ""
    newest: float = 0.1
    least: int = 200


@dataclass(frozen=True)
class Quality:
    """The scores are as good, by the labels known since, as the champion's were on the rows held out of its training.

    `labels` is the table that gets the labels, by default the one that the model learns from, and `label` their column
    there. `on` are the columns by which scores find them, by default the key of the scores. Broken where the gate's
    metric is worse by more than the share `worse_by` of what it was. At least `least` rows are needed; of more than
    `most`, a sample is taken.
    """

    labels: str = ""
    label: str = ""
    on: tuple[str, ...] = ()
    worse_by: float = 0.1
    least: int = 100
    most: int = 200_000
