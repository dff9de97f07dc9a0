"""A model as it is declared: what it learns from, how it's judged, and when a new version becomes the champion."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.spec.compute import Compute
from lakehouse_assets.engine.spec.inputs import Upstream
from lakehouse_assets.engine.spec.models.metrics import Gate, Metric
from lakehouse_assets.engine.spec.models.search import Search
from lakehouse_assets.engine.spec.models.split import Split

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

# The folder of a domain whose files are models.
MODELS = "models"


@dataclass(frozen=True)
class FeatureLookup:
    """Columns of a feature table that a row gets as they were known at its time, none older than `within`.

    `columns` are names, or a mapping to the names that they get. `on` maps columns of the feature table's key to those
    of the row, where they have other names.
    """

    table: str
    columns: Sequence[str] | Mapping[str, str]
    within: timedelta | None = None
    on: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameter(self) -> str:
        """Under which name the table is read."""
        return self.table.replace(".", "_")

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the columns get."""
        return tuple(self.columns.values() if isinstance(self.columns, Mapping) else self.columns)


@dataclass(frozen=True)
class Training:
    """What a training function works with: the features `x` and the label `y` of the training rows, in the order of
    their key, a `seed`, and the `params` that are declared or that a search tries.

    Whole numbers and booleans in `x` are doubles, texts are objects, and nulls are NaN or None. `rows` are the same
    rows in Spark, with the features and the label as `label`, for what learns in Spark.
    """

    x: pd.DataFrame
    y: pd.Series[Any]
    seed: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)
    rows: Callable[[], DataFrame] | None = None

    def spark_rows(self) -> DataFrame:
        """The training rows as a Spark DataFrame.

        Raises:
            TypeError: the training was made from pandas alone, as in a test.
        """
        if self.rows is None:
            raise TypeError("This training has no Spark session; give Training(rows=…) a function that makes the rows")
        return self.rows()


@dataclass(frozen=True)
class Model:
    """A declared model. Call it with a `Training` to run its function, as in a test.

    `rows` is the table whose rows are examples; `label` is the column to be predicted, and `features` are the columns
    to predict it from. `lookups` bring more of them from feature tables, as they were known `at` a row's time.
    """

    domain: str
    name: str
    doc: str
    rows: Upstream
    label: str
    features: tuple[str, ...]
    split: Split
    metrics: tuple[Metric, ...]
    gate: Gate
    file: Path
    line: int
    fn: Callable[[Training], Any]
    lookups: tuple[FeatureLookup, ...] = ()
    at: str = ""
    where: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    search: Search | None = None
    seed: int = 0
    every: timedelta = timedelta(days=7)
    owner: str | None = None
    freshness: timedelta | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    compute: Compute | None = None
    retrain_on_drift: bool = False

    def __call__(self, training: Training) -> Any:
        return self.fn(training)

    @property
    def layer(self) -> str:
        return MODELS

    @property
    def key(self) -> str:
        """`domain.models.name`, the model's name everywhere."""
        return f"{self.domain}.{MODELS}.{self.name}"

    @property
    def upstreams(self) -> dict[str, Upstream]:
        """What it reads: its examples as `rows`, and each feature table."""
        return {"rows": self.rows, **{it.parameter: Upstream(it.table, lookup=True) for it in self.lookups}}

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that a score is made from, in the order of the signature."""
        return (*self.features, *(column for it in self.lookups for column in it.names))

    @property
    def is_classifier(self) -> bool:
        """Whether it gives the probability of a label that is true or false; else it gives a number."""
        return self.gate.metric.of_probability

    @property
    def code_version(self) -> str:
        """A hash of all that decides what is learnt from the same rows."""
        learnt = [self.label, self.inputs, repr(self.lookups), self.at, self.where, repr(self.split), self.seed]
        said = [inspect.getsource(self.fn), *learnt, repr(sorted(self.params.items())), repr(self.search)]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]
