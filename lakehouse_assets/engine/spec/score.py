"""The scores of a model as a table: whose scores they are, and what is kept beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakehouse_assets.engine.spec.model import FeatureLookup

if TYPE_CHECKING:
    from lakehouse_assets.engine.spec.table import Table

# What a table of scores has beside the columns that it keeps of its rows, by Spark's types.
SCORE, VERSION = "score", "model_version"
SCORE_COLUMNS = {SCORE: "double", VERSION: "int"}


@dataclass(frozen=True)
class Score:
    """The champion of a model, by which the rows of a table are scored, and the columns of them that are `kept`.

    `key`, `lookups` and `at` are the model's, once the graph is known, and `tables` the feature tables by the names
    under which they're read. A new champion scores all rows anew.
    """

    model: str
    kept: tuple[str, ...]
    key: str = ""
    lookups: tuple[FeatureLookup, ...] = ()
    at: str = ""
    tables: Mapping[str, Table] = field(default_factory=dict, repr=False, compare=False)
