"""The scores of a model as a table: whose scores they are, and what is kept beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakehouse_assets.engine.spec.models.metrics import Metric
from lakehouse_assets.engine.spec.models.model import FeatureLookup
from lakehouse_assets.engine.spec.models.monitor import DRIFT, QUALITY, Drift, Quality

if TYPE_CHECKING:
    from lakehouse_assets.engine.spec.table import Table

# What a table of scores has beside the columns that it keeps of its rows.
SCORE, VERSION = "score", "model_version"
# The number of the run that gave a score: of two scores of a key the later one counts.
RUN = "_run"


@dataclass(frozen=True)
class Score:
    """The champion of a model, by which the rows of a table are scored, and the columns of them that are `kept`.

    `key`, `lookups` and `at` are the model's, once the graph is known, and `tables` the feature tables by the names
    under which they're read. A new champion scores all rows anew.

    `drift` and `quality` are what is watched. `learns` is the table that the model learns from, and `metrics` are those
    that it's judged by, the gate's first.
    """

    model: str
    kept: tuple[str, ...]
    key: str = ""
    lookups: tuple[FeatureLookup, ...] = ()
    at: str = ""
    tables: Mapping[str, Table] = field(default_factory=dict, repr=False, compare=False)
    # Not shown, as what is shown of it decides whether the declaration of the table has changed.
    drift: Drift | None = field(default=None, repr=False)
    quality: Quality | None = field(default=None, repr=False)
    learns: str = field(default="", repr=False)
    metrics: tuple[Metric, ...] = field(default=(), repr=False)

    @property
    def reads(self) -> tuple[str, ...]:
        """The keys of what a table of scores needs beside its inputs: the model, and the labels to judge it by."""
        return (self.key, *((self.quality.labels,) if self.quality and self.quality.labels else ()))

    @property
    def watched(self) -> dict[str, str]:
        """The checks by which it's watched, and what each says."""
        drift = {DRIFT: _first(self.drift)} if self.drift else {}
        return {**drift, **({QUALITY: _first(self.quality)} if self.quality else {})}


def _first(declared: Drift | Quality) -> str:
    """The first sentence of what is said of such a declaration."""
    return " ".join(str(declared.__doc__).partition("\n\n")[0].split())
