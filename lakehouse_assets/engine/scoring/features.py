"""The features that a model looks up, added to the rows that it learns from or scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.feature_store.lookups import Lookup, with_features
from lakehouse_assets.engine.spec.models.model import FeatureLookup
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def looked_up(
    inputs: Mapping[str, DataFrame], lookups: Sequence[FeatureLookup], tables: Mapping[str, Table], at: str
) -> DataFrame:
    """The input `rows` with what is looked up for them; the other inputs and `tables` are by the lookups' parameters.

    Raises:
        FeatureError: a table isn't one of features, or two columns would have one name.
    """
    wanted = [Lookup(tables[it.parameter], inputs[it.parameter], it.columns, it.within, it.on) for it in lookups]
    return with_features(inputs["rows"], at, wanted) if wanted else inputs["rows"]
